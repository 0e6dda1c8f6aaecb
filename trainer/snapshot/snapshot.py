"""The data of one run: eligible pairs without duplicates, split for good into training and hold-out, with a hash.

Of a million pairs only a few numbers each are kept while they stream by; what is chosen by those is then fetched. Knows
neither SQLite (`PairSource` is the store's to give) nor tokens.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from storage.pair_records import Pair
from trainer.data_settings import SnapshotConfig
from trainer.snapshot.duplicates import digest, near_duplicates
from trainer.snapshot.holdout import judges
from trainer.snapshot.selection import Table, choose_for_judging, choose_for_learning, without_duplicates

__all__ = [
    "Change",
    "PairSource",
    "Snapshot",
    "change_since",
    "of_pairs",
    "stream_snapshot",
    "take_snapshot",
    "without",
]

PairSource = Callable[[Sequence[int] | None], Iterable[Pair]]
"""Eligible pairs by reply number: all of them (None), or those of some replies that are eligible still."""


@dataclass(frozen=True)
class Snapshot:
    """What one run may see. `train` and `holdout` share no conversation; both are ordered by reply id."""

    train: tuple[Pair, ...]
    holdout: tuple[Pair, ...]
    left_out: Mapping[str, int]
    """How many eligible pairs are not in it, by reason."""
    digests: frozenset[str]
    """One per pair; what the next run compares itself with."""
    hash: str
    """Of the content of all pairs, whatever their order: equal hashes train on equal words."""
    still_eligible: frozenset[str] = field(default=frozenset(), repr=False)
    """Digests that a former run saw and that were left out this time, though nobody withdrew them."""

    def __len__(self) -> int:
        return len(self.train) + len(self.holdout)

    def new_since(self, former: frozenset[str]) -> frozenset[int]:
        """Replies of the pairs that a run whose pairs had the digests `former` did not see."""
        return frozenset(pair.reply_id for pair in (*self.train, *self.holdout) if digest(pair) not in former)


@dataclass(frozen=True)
class Change:
    """How a snapshot differs from the one a former run trained on."""

    new: int
    withdrawn: int


def take_snapshot(
    pairs: Iterable[Pair], holdout_share: float, rules: SnapshotConfig | None = None, *, max_holdout: int = 500
) -> Snapshot:
    """The snapshot of pairs that fit in memory; see `stream_snapshot`."""
    held = {pair.reply_id: pair for pair in sorted(pairs, key=lambda one: one.reply_id)}

    def source(reply_ids: Sequence[int] | None) -> Iterable[Pair]:
        return held.values() if reply_ids is None else [held[number] for number in reply_ids]

    return stream_snapshot(source, holdout_share, rules or SnapshotConfig(), max_holdout=max_holdout)


def stream_snapshot(
    source: PairSource,
    holdout_share: float,
    rules: SnapshotConfig,
    *,
    max_holdout: int,
    former: Mapping[int, str] | None = None,
) -> Snapshot:
    """Choose what a run learns from and is judged on.

    Of exact duplicates the edited one, else the newest stays, among those on the side of the oldest, so that no words
    change sides. Then nobody's pairs are more than a share, and above `max_pairs` a weighted reservoir chooses. Of near
    duplicates among what was chosen the same one stays.

    Args:
        source: gives the pairs; asked once for all of them and once for those that were chosen.
        holdout_share: the part of the conversations that is never trained on.
        rules: what is left out.
        max_holdout: most held-out pairs; above it a hash of the words chooses.
        former: digest by reply number of what the last run saw.
    """
    table = Table()
    former = former or {}
    eligible: set[str] = set()
    for pair in source(None):
        table.add(pair, held_out=judges(pair, holdout_share))
        if pair.reply_id in former and former[pair.reply_id] == digest(pair):
            eligible.add(former[pair.reply_id])
    columns = table.columns()
    unique = without_duplicates(columns)
    left_out = Counter({"duplicates": len(columns.reply_id) - len(unique)})
    held_out = columns.held_out[unique]
    learn, reasons = choose_for_learning(columns, unique[~held_out], rules)
    left_out.update(reasons)
    judge, reasons = choose_for_judging(columns, unique[held_out], rules, max_holdout)
    left_out.update(reasons)
    chosen = sorted(columns.reply_id[np.concatenate([learn, judge])].tolist())
    pairs = sorted(source(chosen), key=lambda one: one.reply_id)
    kept = _without_near_duplicates(pairs, holdout_share, rules.near_duplicate)
    left_out["near duplicates"] = len(pairs) - len(kept)
    snapshot = of_pairs(kept, holdout_share, {name: count for name, count in left_out.items() if count})
    return replace(snapshot, still_eligible=frozenset(eligible - snapshot.digests))


def of_pairs(pairs: Iterable[Pair], holdout_share: float, left_out: Mapping[str, int]) -> Snapshot:
    """The snapshot of exactly these pairs, in order of their replies."""
    ordered = sorted(pairs, key=lambda one: one.reply_id)
    digests = frozenset(digest(pair) for pair in ordered)
    return Snapshot(
        train=tuple(pair for pair in ordered if not judges(pair, holdout_share)),
        holdout=tuple(pair for pair in ordered if judges(pair, holdout_share)),
        left_out=dict(left_out),
        digests=digests,
        hash=hashlib.sha256("".join(sorted(digests)).encode()).hexdigest(),
    )


def without(snapshot: Snapshot, reply_ids: frozenset[int], reason: str) -> Snapshot:
    """The snapshot with some pairs left out on both sides, counted under a reason."""
    train = tuple(pair for pair in snapshot.train if pair.reply_id not in reply_ids)
    holdout = tuple(pair for pair in snapshot.holdout if pair.reply_id not in reply_ids)
    gone = len(snapshot) - len(train) - len(holdout)
    digests = frozenset(digest(pair) for pair in (*train, *holdout))
    return replace(
        snapshot,
        train=train,
        holdout=holdout,
        left_out={**snapshot.left_out, reason: gone} if gone else snapshot.left_out,
        digests=digests,
        hash=hashlib.sha256("".join(sorted(digests)).encode()).hexdigest(),
    )


def change_since(snapshot: Snapshot, former: frozenset[str]) -> Change:
    """What was added and what was taken away since a run whose pairs had the digests `former`.

    What is eligible still, but a newer duplicate or the reservoir has taken its place, was not taken away.
    """
    return Change(
        new=len(snapshot.digests - former), withdrawn=len(former - snapshot.digests - snapshot.still_eligible)
    )


def _without_near_duplicates(pairs: Sequence[Pair], holdout_share: float, threshold: float) -> list[Pair]:
    dropped: set[int] = set()
    for group in near_duplicates(pairs, threshold):
        home = judges(pairs[group[0]], holdout_share)
        at_home = [index for index in group if judges(pairs[index], holdout_share) == home]
        best = max(at_home, key=lambda index: (pairs[index].edited, pairs[index].approved_at, pairs[index].reply_id))
        dropped.update(index for index in group if index != best)
    return [pair for index, pair in enumerate(pairs) if index not in dropped]
