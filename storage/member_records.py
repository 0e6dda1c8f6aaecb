"""Members: their consent, how much is held of them, and what forgetting and retention came to.

Plain frozen values; see `storage.reply_records` for times and identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemberData:
    """How much the store holds of one person.

    `opted_in` is None while they have not decided; `messages` are theirs, `answers` the bot's to them, in so many
    `conversations` (stored replies); `adapters` in use or in reserve have seen some of it.
    """

    opted_in: bool | None
    messages: int
    answers: int
    conversations: int
    adapters: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting a person came to: the replies redacted, and the adapters marked now that saw them."""

    replies: tuple[int, ...]
    adapters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Purge:
    """One step of deleting what is too old: `seen_to` is the number of the last reply looked at."""

    deleted: int
    seen_to: int
    done: bool


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether a person lets the bot learn from their words."""

    user_id: int
    opted_in: bool
    updated_at: str
