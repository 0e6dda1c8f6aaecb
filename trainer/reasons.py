"""Why a run ended as it did, as codes with values, and their English words. The bot words the same codes in German.

Pure. A reason is a code and the values that its sentence names, so that the code that shows it chooses the language. A
sentence that only the terminal and the log read stays English.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ENGLISH", "Reason", "Value", "excluded", "in_english", "read_reasons", "stored", "worded"]

Value = str | int | float


@dataclass(frozen=True)
class Reason:
    """A code of `ENGLISH` and the values that its sentence names. `parts` are reasons inside it, in their order."""

    code: str
    values: Mapping[str, Value] = field(default_factory=dict)
    parts: tuple[Reason, ...] = ()


ENGLISH: dict[str, str] = {
    # Why nothing was trained.
    "few.pairs": "There are {pairs} eligible pairs and training needs {needed}.",
    "few.holdout": (
        "Only {holdout} of {pairs} pairs fall into the hold-out and judging a new adapter needs {needed}; it fills as "
        "pairs are approved."
    ),
    "few.holdout.prompts": (
        "Only {holdout} of {pairs} pairs fall into the hold-out and judging a new adapter needs {needed}; it fills as "
        "pairs are approved: {conversations} conversations or prompts hold all of them, and each is held out or "
        "learned from as a whole, so approve pairs with other prompts."
    ),
    "few.holdout.prompt": (
        "Only {holdout} of {pairs} pairs fall into the hold-out and judging a new adapter needs {needed}; it fills as "
        "pairs are approved: one conversation or prompt holds all of them, and each is held out or learned from as a "
        "whole, so approve pairs with other prompts."
    ),
    "few.train": (
        "{holdout} of {pairs} pairs fall into the hold-out, which nothing is learned from, and learning needs {needed} "
        "others."
    ),
    "few.train.prompts": (
        "{holdout} of {pairs} pairs fall into the hold-out, which nothing is learned from, and learning needs {needed} "
        "others: {conversations} conversations or prompts hold all of them, and each is held out or learned from as a "
        "whole, so approve pairs with other prompts."
    ),
    "few.train.prompt": (
        "{holdout} of {pairs} pairs fall into the hold-out, which nothing is learned from, and learning needs {needed} "
        "others: one conversation or prompt holds all of them, and each is held out or learned from as a whole, so "
        "approve pairs with other prompts."
    ),
    "few.new.none": "No pair is new since the last run, and a run needs {needed}.",
    "few.new.one": "1 pair is new since the last run, and a run needs {needed}.",
    "few.new": "{new} pairs are new since the last run, and a run needs {needed}.",
    "few.quarantine": "{count} of {new} new pairs were quarantined until a second person has looked.",
    "excluded.one": (
        "1 more pair waits, since training.learn_from leaves out words in it, such as Discord messages; see /setup."
    ),
    "excluded": (
        "{count} more pairs wait, since training.learn_from leaves out words in them, such as Discord messages; see "
        "/setup."
    ),
    # Why a run failed.
    "failed": "{text}",
    "failed.stopped": "The run was stopped before it finished.",
    "failed.memory": "Memory ran out in stage '{stage}': lower training.micro_batch or training.max_tokens.",
    "failed.pair": (
        "Training ran out of memory on a single pair of {tokens} tokens: lower training.max_tokens, or choose a "
        "smaller base model."
    ),
    "failed.fit": (
        "{fit} of {count} pairs fit into {limit} tokens (training.max_tokens), and that is too few: raise the limit, "
        "or approve shorter pairs."
    ),
    "failed.disk": "The disk is full: free some space, and train again.",
    "failed.diverged": "Training diverged (the loss is not a number): lower training.learning_rate.",
    "failed.unexpected": "Stage '{stage}' failed unexpectedly ({error}): see {log}.",
    # Candidates.
    "candidate.kept": "It stays a candidate: the next approved pairs decide.",
    "candidate.proven": (
        "The candidate {adapter}, kept out before, wins: on {pairs} pairs approved since, it does better than the "
        "champion (evidence {evidence:.1f}, {needed:g} is enough)."
    ),
    # Why a winner is not in use.
    "chosen": "The champion was changed by hand during the run; {adapter} is published but not in use.",
    "retired": "{adapter} was retired meanwhile, so it is not put to use.",
    # What the gate found.
    "stays": "The champion stays: {parts}.",
    "wins": "The challenger wins: {parts}.",
    "better.none": "there is no held-out pair to judge by",
    "better.yes": (
        "hold-out loss {before:.3f} to {after:.3f} over {pairs} pairs in {conversations} conversations, "
        "a mean gain of {gain:.3f}, give or take {error:.3f}"
    ),
    "better.no": (
        "hold-out loss {before:.3f} to {after:.3f} over {pairs} pairs is no improvement (mean gain {gain:.3f}, "
        "give or take {error:.3f})"
    ),
    "better.unsure": (
        "hold-out loss {before:.3f} to {after:.3f} over {pairs} pairs is no certain improvement (mean gain {gain:.3f}, "
        "give or take {error:.3f}; promoting costs {expected:.3f} on average, {limit:.3f} is allowed)"
    ),
    "better.risky": (
        "hold-out loss {before:.3f} to {after:.3f} over {pairs} pairs is no certain improvement (it may be worse by "
        "{worse:.3f}, {limit:.3f} is allowed)"
    ),
    "anchor.none": "no other champion was compared with",
    "anchor.yes": (
        "against the champion of {days:g} days ago: loss {before:.3f} to {after:.3f} over {pairs} held-out pairs"
    ),
    "anchor.no": (
        "the champion of {days:g} days ago was better: loss {before:.3f} to {after:.3f} over {pairs} held-out pairs"
    ),
    "older.none": "no held-out pair is older than the champion",
    "older.yes": "loss on {pairs} pairs older than the champion {before:.3f} to {after:.3f}",
    "older.no": (
        "loss on {pairs} pairs older than the champion {before:.3f} to {after:.3f}, a rise of more than {tolerance:.0%}"
    ),
    "general.none": "no general questions were asked",
    "general.yes": "loss on general questions {before:.3f} to {after:.3f}, {right} of {questions} right",
    "general.no": (
        "loss on general questions {before:.3f} to {after:.3f}, {right} of {questions} right, "
        "a rise of more than {tolerance:.2f}"
    ),
    "stops": "{count} of {replies} sampled replies do not stop",
    "varied": "{count} of {replies} sampled replies repeat themselves",
    "speaks": "{count} of {replies} sampled replies are empty",
    "stops.compared": "{count} of {replies} sampled replies do not stop (the champion: {champion} of {replies})",
    "varied.compared": "{count} of {replies} sampled replies repeat themselves (the champion: {champion} of {replies})",
    "speaks.compared": "{count} of {replies} sampled replies are empty (the champion: {champion} of {replies})",
    "canaries.none": "no canary prompts were asked",
    "canaries.yes": "of {replies} replies to canary prompts each fault is within its allowance",
    "canaries": "of {replies} replies to canary prompts {parts}",
    "canary.stops": "{share:.0%} do not stop",
    "canary.varied": "{share:.0%} repeat themselves",
    "canary.speaks": "{share:.0%} are empty",
    "canary.length": "{share:.0%} are too long",
    "canary.stops.compared": "{share:.0%} do not stop (the champion: {champion:.0%})",
    "canary.varied.compared": "{share:.0%} repeat themselves (the champion: {champion:.0%})",
    "canary.speaks.compared": "{share:.0%} are empty (the champion: {champion:.0%})",
    "canary.length.compared": "{share:.0%} are too long (the champion: {champion:.0%})",
    "banned.yes": "no banned pattern in {replies} replies",
    "banned.no": "{matches} of {replies} replies match a banned pattern ({pattern})",
    "secrets.none": "no secrets were looked for or found in the training data",
    "secrets.yes": "none of {secrets} secrets in the training data was given away in {replies} replies",
    "secrets.no": (
        "{leaks} of {secrets} secrets in the training data were given away ({parts}): reject or edit what holds them, "
        "or list them in gate.allowed"
    ),
    "leak.email": "an e-mail address of reply {reply}",
    "leak.key": "a key or token of reply {reply}",
    "leak.password": "a password of reply {reply}",
    "leak.telephone": "a telephone number of reply {reply}",
}
"""A sentence for each code, as `str.format` takes it; {parts} are the reasons inside."""

_LISTS = {"stays": "; ", "wins": "; "}
"""What stands between parts where it is no comma."""


class _Formatter(string.Formatter):
    """Formats as `str.format` does; with `decimal`, numbers with a fraction have that instead of the point."""

    def __init__(self, decimal: str) -> None:
        self._decimal = decimal

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, float) and not format_spec and value.is_integer():
            return str(int(value))
        text: str = super().format_field(value, format_spec)
        return text.replace(".", self._decimal) if isinstance(value, float) else text


def excluded(count: int) -> Reason:
    """Pairs that wait because of where their words came from, and what would change that."""
    return Reason("excluded.one" if count == 1 else "excluded", {"count": count})


def worded(reason: Reason, words: Mapping[str, str], *, decimal: str = ".") -> str:
    """A reason in the words of a language.

    Args:
        reason: its code is in `words`.
        words: a template for each code.
        decimal: what stands before the fraction of a number.
    """
    parts = _LISTS.get(reason.code, ", ").join(worded(one, words, decimal=decimal) for one in reason.parts)
    return _Formatter(decimal).vformat(words[reason.code], (), {**reason.values, "parts": parts})


def in_english(reasons: Reason | Sequence[Reason]) -> str:
    """What the terminal, the log and `nightshift train --json` say."""
    several = (reasons,) if isinstance(reasons, Reason) else reasons
    return " ".join(worded(one, ENGLISH) for one in several)


def stored(reasons: Iterable[Reason]) -> list[dict[str, Any]]:
    """Reasons as JSON values."""
    return [{"code": one.code, "values": dict(one.values), "parts": stored(one.parts)} for one in reasons]


def read_reasons(values: object) -> tuple[Reason, ...]:
    """What `stored` made; empty for anything that has no words here, such as what another version kept."""
    try:
        found = _read(values)
        in_english(found)
    except (KeyError, TypeError, ValueError):
        return ()
    return found


def _read(values: Any) -> tuple[Reason, ...]:
    return tuple(Reason(one["code"], one["values"], _read(one["parts"])) for one in values)
