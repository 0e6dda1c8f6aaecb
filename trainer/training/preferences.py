"""Preferences as tokens, and whether training on them helped: prompts with an answer that was preferred to another.

Choices come from the store (edits, rejections, votes) and only for pairs of the snapshot, so what may not be trained on
is not preferred either. A choice on a held-out conversation is only judged by, never trained on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from storage.pair_records import Choice, Pair
from trainer.training.tokens import Example, encode_pairs

__all__ = ["PreferenceFigures", "Triple", "accuracy", "triples_of"]


@dataclass(frozen=True)
class Triple:
    """One prompt with the answer that was preferred and the one that was not. Both end with the end-of-turn token."""

    chosen: Example
    rejected: Example

    @property
    def prompt_length(self) -> int:
        return self.chosen.prompt_length

    @property
    def longest(self) -> int:
        """Tokens of the longer of the two, prompt included."""
        return max(len(self.chosen.ids), len(self.rejected.ids))


@dataclass(frozen=True)
class PreferenceFigures:
    """Figures before and after training on preferences.

    Attributes:
        accuracy: share of held-out triples whose preferred answer is the likelier one per token.
        nll: mean negative log-likelihood of the held-out pairs, in nats per token.
    """

    accuracy_before: float
    accuracy_after: float
    nll_before: float
    nll_after: float
    judged_on: int

    def objection(self, tolerance: float) -> str | None:
        """Why the adapter from before should stay; None when preferences are met more often at little cost.

        Args:
            tolerance: share by which the NLL may rise.
        """
        if not self.accuracy_after > self.accuracy_before:  # also when it is not a number
            return f"the preferred answer is no likelier on held-out choices ({self.line()})"
        if not self.nll_after <= self.nll_before * (1.0 + tolerance):
            return f"hold-out loss rises by more than {tolerance:.0%} ({self.line()})"
        return None

    def line(self) -> str:
        """The figures in words."""
        return (
            f"preference accuracy {self.accuracy_before:.0%} to {self.accuracy_after:.0%} over {self.judged_on}, "
            f"hold-out loss {self.nll_before:.3f} to {self.nll_after:.3f}"
        )


def triples_of(
    tokenizer: Any, pairs: Sequence[Pair], choices: Iterable[Choice], *, max_tokens: int, persona: str = ""
) -> tuple[Triple, ...]:
    """Render the choices on these pairs' prompts, as `encode_pairs` renders pairs.

    Left out are those on other prompts, those that are too long, and those whose two answers leave room for different
    parts of the conversation.
    """
    by_reply = {pair.reply_id: pair for pair in pairs}
    found: list[Triple] = []
    for choice in choices:
        pair = by_reply.get(choice.reply_id)
        if pair is None:
            continue
        both = [replace(pair, completion=answer) for answer in (choice.better, choice.worse)]
        encoded = encode_pairs(tokenizer, both, max_tokens=max_tokens, persona=persona).items
        if len(encoded) == 2:
            chosen, rejected = encoded
            length = chosen.prompt_length
            if chosen.ids != rejected.ids and chosen.ids[:length] == rejected.ids[: rejected.prompt_length]:
                found.append(Triple(chosen, rejected))
    return tuple(found)


def accuracy(chosen: Sequence[float], rejected: Sequence[float]) -> float:
    """Share of choices whose preferred answer has the smaller mean negative log-likelihood; in the order given."""
    return sum(better < worse for better, worse in zip(chosen, rejected, strict=True)) / len(chosen)
