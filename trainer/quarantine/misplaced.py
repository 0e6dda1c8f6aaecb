"""Which edits and imports of a night answer another question than their own, group by group. Pure.

An approved reply is the bot's own answer to that very prompt. Words of a person's own come with an edit or an import,
so only those are looked at: each import by itself, each moderator's edits, and what is left of the night together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storage.pair_records import Pair
from trainer.quarantine.swaps import Displaced, Fit, displaced, fits, moved_by, no_better_than_chance
from trainer.reasons import Reason

__all__ = ["Meaning", "by_hand", "misplaced", "question_of", "worth_comparing"]

Meaning = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Unit vectors of a pair's question and of its answer."""

SHORT_QUESTION = 20
"""Characters below which a question is read with what was said before it ("And then?")."""
SMALL_GROUP = 4
BLOCK = 200
"""Pairs of a group that are compared at once, neighbours of a list together."""
CLEAN_SHARE, CLEAN_FACTOR = 0.05, 2.0
"""With a smaller share of displaced answers than this in a group, one must be twice as likely displaced."""
MOSTLY, NEARLY_ALL, CHANCE = 0.25, 0.75, 0.05
"""A group is held as a whole when much of it is displaced and any other order would fit as well, or nearly all is."""


@dataclass(frozen=True)
class _Compared:
    """All pairs that have vectors, and how well each answer fits each question."""

    numbers: Sequence[int]
    place: Mapping[int, int]
    fit: Fit


def by_hand(pair: Pair) -> bool:
    """Whether the answer is a person's own words below a prompt of their choice."""
    return pair.edited or pair.source == "import"


def question_of(pair: Pair) -> str:
    """What an answer is compared with: the last thing said, and what came before where that is short."""
    said = [turn.content for turn in pair.turns if turn.role == "user"]
    return said[-1] if len(said[-1]) >= SHORT_QUESTION else "\n".join(said[-2:])


def worth_comparing(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """At most `most` of the pairs, in blocks of neighbours, as a list's order says something too."""
    blocks = [block for group in _groups(pairs).values() for block in _blocks(group)]
    wanted = max(1, most // BLOCK)
    step = max(1.0, len(blocks) / wanted)
    chosen = [blocks[int(number * step)] for number in range(min(wanted, len(blocks)))]
    return [pair for block in chosen for pair in block] if sum(map(len, blocks)) > most else list(pairs)


def misplaced(
    new: Sequence[Pair],
    known: Sequence[Pair],
    meanings: Mapping[int, Meaning],
    *,
    likely: float,
    settled: Collection[int] = (),
) -> dict[int, Reason]:
    """Why each of some new pairs does not fit its question, by reply number.

    Args:
        new: edits and imports to be looked at.
        known: pairs that are surely in place.
        meanings: by reply number; pairs without are passed over, but for those of a list that is held as a whole.
        likely: the probability of being displaced from which a pair is held; 1 holds none.
        settled: of the new ones, those that are held for another reason; they are rows of a list and nothing else.
    """
    looked_at = [pair for pair in new if pair.reply_id in meanings]
    if likely >= 1.0 or not looked_at:
        return {}
    compared = _compare(looked_at, [pair for pair in known if pair.reply_id in meanings], meanings)
    reasons: dict[int, Reason] = {}
    for (kind, *_), group in _groups(new).items():
        blocks = [[pair for pair in block if pair.reply_id in meanings] for block in _blocks(group)]
        found = [_judged(kind, block, compared, likely, settled) for block in blocks if block]
        whole = [all_of for all_of, _ in found if all_of is not None]
        if len(whole) > len(found) / 2:
            reasons |= {pair.reply_id: whole[0] for pair in group}
            continue
        for _, each in found:
            reasons |= each
    return reasons


def _compare(new: Sequence[Pair], known: Sequence[Pair], meanings: Mapping[int, Meaning]) -> _Compared:
    pairs = [*new, *known]
    numbers = [pair.reply_id for pair in pairs]
    questions, answers = (np.stack([meanings[number][side] for number in numbers]).astype(float) for side in (0, 1))
    in_place = np.arange(len(pairs)) >= len(new)
    fit = fits(questions, answers, [len(pair.completion) for pair in pairs], in_place)
    return _Compared(numbers, {number: place for place, number in enumerate(numbers)}, fit)


def _judged(
    kind: str, block: Sequence[Pair], compared: _Compared, likely: float, settled: Collection[int]
) -> tuple[Reason | None, dict[int, Reason]]:
    """Why a whole block is held, if it is, and why single pairs are (all of them where the block is)."""
    rows = [compared.place[pair.reply_id] for pair in block]
    if (all_of := _slipped(kind, rows, compared.fit)) is not None:
        return all_of, {pair.reply_id: all_of for pair in block}
    open_ones = [pair for pair in block if pair.reply_id not in settled]
    if not open_ones:
        return None, {}
    rows = [compared.place[pair.reply_id] for pair in open_ones]
    found = displaced(compared.fit, rows, sorted(set(range(len(compared.numbers))) - set(rows)))
    all_of = _unfit(kind, rows, found, compared.fit)
    limit = likely if found.share >= CLEAN_SHARE else min(1.0, CLEAN_FACTOR * likely)
    each = {
        pair.reply_id: all_of or _reason(int(place), compared)
        for pair, chance, place in zip(open_ones, found.probability, found.belongs_to, strict=True)
        if all_of is not None or chance > limit
    }
    return all_of, each


def _slipped(kind: str, rows: Sequence[int], fit: Fit) -> Reason | None:
    """Why a file is held whose answers slipped as a whole."""
    by = moved_by(fit, rows) if kind == "import" and len(rows) >= SMALL_GROUP else 0
    if not by:
        return None
    code = "moved_down" if by > 0 else "moved_up"
    return Reason(f"{code}_1") if abs(by) == 1 else Reason(code, {"rows": abs(by)})


def _unfit(kind: str, rows: Sequence[int], found: Displaced, fit: Fit) -> Reason | None:
    """Why a group is held whose answers fit in no order, or in any."""
    if kind == "night" or len(rows) < SMALL_GROUP or found.share <= MOSTLY:
        return None
    if found.share > NEARLY_ALL or no_better_than_chance(fit, rows) > CHANCE:
        return Reason("unfit_import" if kind == "import" else "unfit_edits")
    return None


def _reason(place: int, compared: _Compared) -> Reason:
    return Reason("fits_none") if place < 0 else Reason("fits_other", {"pair": compared.numbers[place]})


def _groups(pairs: Sequence[Pair]) -> dict[tuple[str, ...], list[Pair]]:
    """The pairs of each import and of each moderator's edits, in order; what is too small is one group of the night."""
    groups: defaultdict[tuple[str, ...], list[Pair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda one: one.reply_id):
        who = pair.reviewer if pair.reviewer_id is None else str(pair.reviewer_id)
        # The rows of one import were approved in the same moment.
        groups[("import", who, pair.approved_at) if pair.source == "import" else ("edit", who)].append(pair)
    small = [key for key, group in groups.items() if len(group) < SMALL_GROUP]
    for key in small:
        groups["night",] += groups.pop(key)
    return dict(groups)


def _blocks(group: Sequence[Pair]) -> list[Sequence[Pair]]:
    """A group in parts of about equal size."""
    parts = -(-len(group) // BLOCK)
    size = -(-len(group) // parts)
    return [group[start : start + size] for start in range(0, len(group), size)]
