"""Selection: which of all eligible pairs a snapshot takes, decided on a few numbers a pair.

A million pairs do not fit in memory, their numbers do. Pure: pairs stream in, rows of the table come out.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from storage.pair_records import Pair
from trainer.data_settings import SnapshotConfig
from trainer.snapshot import reservoir
from trainer.snapshot.duplicates import sameness
from trainer.snapshot.people import author_of, moderator_of
from trainer.snapshot.shares import NOBODY, beyond_share

__all__ = ["Columns", "Table", "choose_for_judging", "choose_for_learning", "without_duplicates"]

DAY_S = 86_400.0

Rows = NDArray[np.intp]
"""Row numbers of a table."""


@dataclass(frozen=True)
class Columns:
    """One row per eligible pair [n], in order of the replies; 40 bytes each."""

    reply_id: NDArray[np.int64]
    words: NDArray[np.uint64]
    approved_s: NDArray[np.float64]
    author: NDArray[np.int64]
    moderator: NDArray[np.int64]
    edited: NDArray[np.bool_]
    held_out: NDArray[np.bool_]


class Table:
    """Gathers the columns as the pairs stream by."""

    def __init__(self) -> None:
        self._numbers = {name: array("q") for name in ("reply_id", "author", "moderator")}
        self._words, self._approved_s = array("Q"), array("d")
        self._edited, self._held_out = bytearray(), bytearray()
        self._moderators: dict[int | str, int] = {}

    def add(self, pair: Pair, *, held_out: bool) -> None:
        author, moderator = author_of(pair), moderator_of(pair)
        self._numbers["reply_id"].append(pair.reply_id)
        self._numbers["author"].append(NOBODY if author is None else author)
        self._numbers["moderator"].append(
            NOBODY if moderator is None else self._moderators.setdefault(moderator, len(self._moderators))
        )
        # 64 bits: that any two of a million differing pairs agree happens once in 37 million stores.
        self._words.append(int.from_bytes(sameness(pair)))
        self._approved_s.append(datetime.fromisoformat(pair.approved_at).timestamp())
        self._edited.append(pair.edited)
        self._held_out.append(held_out)

    def columns(self) -> Columns:
        return Columns(
            **{name: np.frombuffer(values, dtype=np.int64) for name, values in self._numbers.items()},
            words=np.frombuffer(self._words, dtype=np.uint64),
            approved_s=np.frombuffer(self._approved_s, dtype=np.float64),
            edited=np.frombuffer(self._edited, dtype=np.bool_),
            held_out=np.frombuffer(self._held_out, dtype=np.bool_),
        )


def without_duplicates(columns: Columns) -> NDArray[np.intp]:
    """Rows that stay: of equal words the edited, then the newest, among those on the side of the oldest reply."""
    if not len(columns.reply_id):
        return np.empty(0, dtype=np.intp)
    _, oldest, group = np.unique(columns.words, return_index=True, return_inverse=True)
    at_home = columns.held_out == columns.held_out[oldest][group]
    order = np.lexsort((columns.reply_id, columns.approved_s, columns.edited, at_home, group))
    last = np.append(group[order][1:] != group[order][:-1], True)
    return np.sort(order[last])


def choose_for_learning(columns: Columns, rows: Rows, rules: SnapshotConfig) -> tuple[Rows, Counter[str]]:
    """The rows to train on, newer and edited ones more likely, and how many of the others stay out for what reason."""
    order = reservoir.scores(
        columns.words,
        columns.approved_s,
        columns.edited,
        half_life_s=rules.half_life_days * DAY_S,
        edited_weight=rules.edited_weight,
        seed=rules.seed,
    )
    return _choose(columns, rows, order, size=rules.max_pairs, rules=rules)


def choose_for_judging(columns: Columns, rows: Rows, rules: SnapshotConfig, size: int) -> tuple[Rows, Counter[str]]:
    """The same for the hold-out, where every pair is as likely: what is judged on changes as little as it can."""
    return _choose(columns, rows, reservoir.uniform(columns.words, rules.seed), size=size, rules=rules)


def _choose(
    columns: Columns, rows: Rows, order: NDArray[np.float64], *, size: int, rules: SnapshotConfig
) -> tuple[Rows, Counter[str]]:
    """At most `size` rows, nobody's beyond their share; a place that a share frees goes to the next in order."""
    people = (
        ("one author's share", columns.author, rules.max_author_share, rules.min_authors),
        ("one moderator's share", columns.moderator, rules.max_moderator_share, rules.min_moderators),
    )
    left_out: Counter[str] = Counter()
    while True:
        chosen = reservoir.smallest(order, rows, size)
        for reason, who, share, at_least in people:
            over = beyond_share(who[chosen], order[chosen], share=share, floor=rules.share_floor, at_least=at_least)
            if over.any():
                left_out[reason] += int(over.sum())
                rows = np.setdiff1d(rows, chosen[over], assume_unique=True)
                break
        else:
            left_out["reservoir"] = len(rows) - len(chosen)
            return chosen, left_out
