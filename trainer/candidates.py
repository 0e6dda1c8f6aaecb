"""Candidates in a run: adapters kept out before, scored on the pairs approved since, and what follows from that.

A pair counts for a candidate when neither it nor the champion has learned from it, and once only. The decision is
`trainer.evaluation.betting`'s; where candidates are kept is the store's to know.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.device_errors import is_out_of_memory
from storage.adapter_errors import AdapterDamaged, AdapterMissing
from storage.pair_records import Pair
from storage.run_records import Candidate
from storage.store import Store
from trainer.champion import Champion
from trainer.evaluation import evaluate
from trainer.evaluation.betting import counted_gain, evidence, wealth_after
from trainer.reasons import Reason, Value
from trainer.training.tokens import Example

__all__ = ["Contender", "Gain", "contenders_of", "proven", "score_contenders"]

log = logging.getLogger(__name__)

_NAME = "candidate"
"""The name of the candidate that is being measured, among the adapters on the base."""


@dataclass(frozen=True)
class Contender:
    """A candidate whose files are whole, and the replies that were counted already."""

    adapter: Champion
    counted: frozenset[int]


@dataclass(frozen=True)
class Gain:
    """How much better a candidate is than the champion on a pair that neither has seen, in nats a token."""

    reply_id: int
    conversation: str
    nats: float


def contenders_of(store: Store, load: Callable[[str], Champion], guild_id: int | None = None) -> list[Contender]:
    """The candidates that can be measured; `load` reads an adapter, or raises AdapterMissing or AdapterDamaged.

    Those of a server's own voice, or (None) of the one voice of all servers.
    """
    found = []
    for one in store.candidates(guild_id):
        try:
            found.append(Contender(load(one.adapter), frozenset(store.candidate_pairs(one.adapter))))
        except (AdapterMissing, AdapterDamaged) as error:
            log.info("The candidate %s cannot be measured: %s", one.adapter, error)
    return found


def score_contenders(
    model: Any,
    champion: Champion | None,
    contenders: Sequence[Contender],
    examples: Sequence[Example],
    pairs: Mapping[int, Pair],
    *,
    pad_id: int,
) -> dict[str, list[Gain]]:
    """Each contender's gains on the pairs that neither it nor the champion has seen, in the order of the replies.

    A contender with which memory runs out is left out, and counts these pairs another night.

    Args:
        model: the PEFT model, with the champion on it where there is one.
        champion: None is the bare base.
        contenders: for this base.
        examples: all pairs of the run as tokens.
        pairs: the same by reply number.
        pad_id: what batches are padded with.
    """
    rival = evaluate.CHAMPION if champion else None
    unseen = [one for one in examples if champion is None or not champion.has_seen(pairs[one.reply_id])]
    unseen.sort(key=lambda one: one.reply_id)
    found: dict[str, list[Gain]] = {}
    for contender in contenders:
        new = [
            one
            for one in unseen
            if one.reply_id not in contender.counted and not contender.adapter.has_seen(pairs[one.reply_id])
        ]
        losses = _losses_of(model, contender.adapter, rival, new, pad_id=pad_id)
        if losses is not None:
            found[contender.adapter.id] = [
                Gain(one.reply_id, pairs[one.reply_id].conversation, before - after)
                for one, (before, after) in zip(new, losses, strict=True)
            ]
    return found


def _losses_of(
    model: Any, contender: Champion, rival: str | None, examples: Sequence[Example], *, pad_id: int
) -> list[tuple[float, float]] | None:
    """The losses under the rival and the contender, which leaves the memory again; None where memory ran out."""
    try:
        with evaluate.added(model, contender.path, _NAME) as name:
            theirs, ours = (evaluate.nlls_of(model, who, examples, pad_id=pad_id) for who in (rival, name))
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        log.warning("Memory ran out with the candidate %s", contender.id, exc_info=True)
        return None
    return list(zip(theirs, ours, strict=True))


def proven(
    store: Store, scores: Mapping[str, Sequence[Gain]], rival: str | None, needed: float, guild_id: int | None = None
) -> tuple[Candidate, Reason] | None:
    """Count tonight's gains; returns the candidate that has proved itself, if any, and the reason to use it.

    It has proved itself with enough evidence and a mean gain above 0 over all pairs that were counted.

    Args:
        store: where candidates are kept.
        scores: of each candidate that was measured, against the adapter in use.
        rival: that adapter; None is the bare base.
        needed: the evidence that is enough.
        guild_id: the server whose own voice they are for, None: the one voice of all servers.
    """
    for one in store.candidates(guild_id):
        if gains := scores.get(one.adapter):
            before = one.wealth if one.rival == rival else ()
            grouped: dict[str, list[float]] = {}
            for gain in gains:
                grouped.setdefault(gain.conversation, []).append(gain.nats)
            wealth = wealth_after(before, grouped)
            counted = {gain.reply_id: counted_gain(gain.nats) for gain in gains}
            store.count_for_candidate(one.adapter, rival, wealth, counted)
    better = (one for one in store.candidates(guild_id) if one.rival == rival and one.gain > 0.0)
    best = max(better, key=lambda one: evidence(one.wealth), default=None)
    if best is None or best.adapter not in scores or evidence(best.wealth) < needed:
        return None
    values: dict[str, Value] = {
        "adapter": best.adapter,
        "pairs": best.pairs,
        "evidence": evidence(best.wealth),
        "needed": needed,
    }
    return best, Reason("candidate.proven", values)
