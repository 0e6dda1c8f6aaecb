"""Reviews: what moderators say about replies, in which order they see them, and how it adds up.

Plain frozen values; see `storage.reply_records` for times and identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.reply_records import Reply

Verdict = Literal["approve", "edit", "reject", "undo"]
"""What a moderator says about a reply; "undo" takes back the latest verdict, so that the reply waits again."""
Reason = Literal["wrong", "rude", "off-topic", "unsafe", "other"]
QueueOrder = Literal["newest", "oldest", "unsure"]


@dataclass(frozen=True, slots=True)
class Review:
    """One moderator's verdict on a reply. Append-only: the latest one counts."""

    id: int
    reply_id: int
    verdict: Verdict
    edited_text: str | None
    reason: str | None
    reviewer_id: int | None
    reviewer: str
    created_at: str


@dataclass(frozen=True, slots=True)
class QueueCard:
    """The next reply of a moderator's queue, and how many wait from it on, itself included."""

    reply: Reply
    left: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Verdicts of a day or on an adapter's replies, and how many approved. `name`: the day or the adapter's id."""

    name: str
    reviews: int
    approved: int


@dataclass(frozen=True, slots=True)
class EditDistance:
    """How much of an adapter's or a week's approved answers was changed before.

    Attributes:
        name: the adapter's id ("" is the bare base), or the Monday of the week.
        approved: answers that were approved, as they were or edited.
        edited: those that were changed.
        share: mean share of the text that was changed, from 0 to 1.
    """

    name: str
    approved: int
    edited: int
    share: float


@dataclass(frozen=True, slots=True)
class Undoing:
    """What taking back a moderator's decisions came to, or putting them back.

    `replies` whose verdict changed, quarantine `decisions`, and `adapters` that are marked by it (or no longer are).
    """

    id: int
    replies: tuple[int, ...]
    decisions: int
    adapters: tuple[str, ...]
