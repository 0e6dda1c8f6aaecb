"""Which conversations are held out for good, and which training pairs validate: a hash of the conversation decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from storage.pair_records import Pair

__all__ = ["is_held_out", "judges", "validation_split"]


def is_held_out(conversation: str, share: float) -> bool:
    """Whether a conversation belongs to the hold-out: a hash of its name alone decides, so membership never changes.

    Args:
        conversation: `Pair.conversation`.
        share: the part of all conversations that is held out, between 0 and 1.
    """
    number = int.from_bytes(hashlib.sha256(conversation.encode()).digest()[:8])
    return number < share * 2**64


def judges(pair: Pair, share: float) -> bool:
    """Whether a pair is held out: its conversation is, and it is no moderator's import, which judges nothing."""
    return not pair.by_moderator and is_held_out(pair.conversation, share)


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
