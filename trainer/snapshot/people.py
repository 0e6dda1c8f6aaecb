"""People: whom a pair counts towards in shares and floods, by id. Pure.

Names are no use here: anybody can change theirs, and two people can have the same one.
"""

from __future__ import annotations

from storage.pair_records import Pair

__all__ = ["author_of", "moderator_of"]


def author_of(pair: Pair) -> int | None:
    """Who asked; None for the operator's own encoded. What a moderator imported is theirs, whomever it names."""
    if not _counts(pair):
        return None
    return pair.reviewer_id if pair.by_moderator else pair.turns[-1].author_id


def moderator_of(pair: Pair) -> int | str | None:
    """Who approved or imported it; None for the operator's own encoded. The name only where no id was ever stored."""
    if not _counts(pair):
        return None
    return pair.reviewer if pair.reviewer_id is None else pair.reviewer_id


def _counts(pair: Pair) -> bool:
    """Whether a pair is somebody's: the operator's imports and the terminal are nobody's."""
    return pair.source == "discord" or pair.by_moderator
