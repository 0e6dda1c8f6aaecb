"""The data of one run: eligible pairs, deduplicated, split for good into training and hold-out, with a content hash.

Pure: takes pairs, returns a snapshot. Knows neither SQLite (who streams the pairs in) nor tokens.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from storage.records import Pair

__all__ = [
    "Change",
    "Snapshot",
    "change_since",
    "digest",
    "is_held_out",
    "sameness",
    "take_snapshot",
    "validation_split",
]


@dataclass(frozen=True)
class Snapshot:
    """What one run may see. `train` and `holdout` share no conversation; both are ordered by reply id."""

    train: tuple[Pair, ...]
    holdout: tuple[Pair, ...]
    duplicates: int
    digests: frozenset[str]
    """One per pair; what the next run compares itself with."""
    hash: str
    """Of the content of all pairs, whatever their order: equal hashes train on equal words."""

    def __len__(self) -> int:
        return len(self.train) + len(self.holdout)


@dataclass(frozen=True)
class Change:
    """How a snapshot differs from the one a former run trained on."""

    new: int
    withdrawn: int


def is_held_out(conversation: str, share: float) -> bool:
    """Whether a conversation belongs to the hold-out: a hash of its name alone decides, so membership never changes.

    Args:
        conversation: `Pair.conversation`.
        share: the part of all conversations that is held out, between 0 and 1.
    """
    number = int.from_bytes(hashlib.sha256(conversation.encode()).digest()[:8])
    return number < share * 2**64


def digest(pair: Pair) -> str:
    """A hash of a pair's words: roles, turns and completion. Who said them and when does not count."""
    return _hash([[turn.role, turn.content] for turn in pair.turns], pair.completion)


def sameness(pair: Pair) -> str:
    """Equal for two pairs that differ in case, width or spacing at most: duplicates to a reader."""
    return _hash([[turn.role, _normalised(turn.content)] for turn in pair.turns], _normalised(pair.completion))


def take_snapshot(pairs: Iterable[Pair], holdout_share: float) -> Snapshot:
    """Collect pairs, keeping the first of each set of duplicates, and split them by conversation."""
    train: list[Pair] = []
    holdout: list[Pair] = []
    seen: set[str] = set()
    duplicates = 0
    for pair in sorted(pairs, key=lambda one: one.reply_id):
        key = sameness(pair)
        if key in seen:
            duplicates += 1
            continue
        seen.add(key)
        (holdout if is_held_out(pair.conversation, holdout_share) else train).append(pair)
    digests = frozenset(digest(pair) for pair in (*train, *holdout))
    content = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()
    return Snapshot(tuple(train), tuple(holdout), duplicates, digests, content)


def validation_split(train: Sequence[Pair], size: int) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Set `size` pairs of the training part aside to find the best moment: (to learn from, to validate on).

    A hash of the conversation orders them, so the choice changes little from night to night, and a conversation is
    cut in two at most once.
    """
    by_hash = sorted(train, key=lambda pair: hashlib.sha256(f"validation {pair.conversation}".encode()).digest())
    chosen = {pair.reply_id for pair in by_hash[:size]}
    return (
        tuple(pair for pair in train if pair.reply_id not in chosen),
        tuple(pair for pair in train if pair.reply_id in chosen),
    )


def change_since(snapshot: Snapshot, former: frozenset[str]) -> Change:
    """What was added and what was taken away since a run whose pairs had the digests `former`."""
    return Change(new=len(snapshot.digests - former), withdrawn=len(former - snapshot.digests))


def _hash(turns: list[list[str]], completion: str) -> str:
    return hashlib.sha256(json.dumps([*turns, completion], ensure_ascii=False).encode()).hexdigest()[:32]


def _normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
