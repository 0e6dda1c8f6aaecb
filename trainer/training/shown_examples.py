"""Training prompts with examples: what the bot looks up for a question stands in some of the prompts, as in serving.

An adapter that never saw examples ignores them, and one that saw its own answer among them learns to copy: so the pair
itself, its conversation and its answer are always left out (arXiv:2512.19879). What was shown when the reply was made
comes first; for other pairs the nearest questions of the training part do. Pure, and knows no store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from storage.pair_records import Pair
from storage.recall_entries import question_of
from storage.reply_records import Turn

__all__ = ["examples_for", "with_examples"]

MOST = 2
LEAST_COSINE = 0.6
_ROWS = 1024  # questions compared at once


def examples_for(
    pairs: Sequence[Pair],
    vectors: Mapping[int, bytes],
    recalled: Mapping[int, Sequence[int]],
    share: float,
    *,
    most: int = MOST,
    least: float = LEAST_COSINE,
) -> dict[int, tuple[Pair, ...]]:
    """For a share of the pairs the examples to show, the best last, by reply number.

    Args:
        pairs: what is learned from; nothing else is ever shown.
        vectors: of the questions, by reply number: float16 of unit length. Pairs without one have no neighbours.
        recalled: replies that were shown when a reply was made, the best first.
        share: of the pairs, chosen by a hash of their conversation.
        most: examples of a pair.
        least: cosine of two questions that are similar.
    """
    chosen = [pair for pair in pairs if _drawn(pair, share)]
    known = {pair.reply_id: pair for pair in pairs}
    near = _neighbours(chosen, pairs, vectors, most=most, least=least)
    found = {}
    for pair in chosen:
        numbers = [*recalled.get(pair.reply_id, ()), *near.get(pair.reply_id, ())]
        shown = [known[one] for one in dict.fromkeys(numbers) if one in known and _may_show(pair, known[one])]
        if shown:
            found[pair.reply_id] = tuple(reversed(shown[:most]))
    return found


def with_examples(pairs: Sequence[Pair], examples: Mapping[int, Sequence[Pair]]) -> list[Pair]:
    """The pairs with their examples as turns before the conversation, after its system turn."""
    return [replace(pair, turns=_turns(pair, examples.get(pair.reply_id, ()))) for pair in pairs]


def _turns(pair: Pair, examples: Sequence[Pair]) -> tuple[Turn, ...]:
    system = [turn for turn in pair.turns if turn.role == "system"]
    spoken = [turn for turn in pair.turns if turn.role != "system"]
    shown = [
        turn for one in examples for turn in (Turn("user", question_of(one.turns)), Turn("assistant", one.completion))
    ]
    return (*system, *shown, *spoken)


def _drawn(pair: Pair, share: float) -> bool:
    digest = hashlib.sha256(f"examples {pair.conversation}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def _may_show(pair: Pair, other: Pair) -> bool:
    """Whether serving would show it: an answer of the same server, or an import of the operator's; never itself."""
    same = pair.reply_id == other.reply_id or pair.conversation == other.conversation
    there = other.guild_id == pair.guild_id if other.guild_id is not None else other.source != "discord"
    return there and not same and pair.completion != other.completion


def _neighbours(
    chosen: Sequence[Pair], pairs: Sequence[Pair], vectors: Mapping[int, bytes], *, most: int, least: float
) -> dict[int, list[int]]:
    """For each chosen pair the numbers of those with similar questions, the nearest first."""
    have = [pair.reply_id for pair in pairs if pair.reply_id in vectors]
    asking = [pair.reply_id for pair in chosen if pair.reply_id in vectors]
    if not have or not asking:
        return {}
    matrix = np.stack([np.frombuffer(vectors[number], dtype="<f2") for number in have]).astype(np.float32)
    row = {number: place for place, number in enumerate(have)}
    found: dict[int, list[int]] = {}
    for start in range(0, len(asking), _ROWS):
        part = asking[start : start + _ROWS]
        cosines = matrix[[row[number] for number in part]] @ matrix.T  # [part, have]
        nearest = np.argsort(-cosines, axis=1)[:, : 4 * most + 1]
        for line, number in enumerate(part):
            found[number] = [have[place] for place in nearest[line] if cosines[line, place] >= least]
    return found
