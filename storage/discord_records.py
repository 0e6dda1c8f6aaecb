"""Discord: the bot's own messages there, what it does not show yet, threads, and settings made there.

Plain frozen values; see `storage.reply_records` for times and identifiers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

PostKind = Literal["card", "question", "report", "answer"]
DeliveryKind = Literal["answer", "card", "verdict"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """Something of a reply that Discord does not show yet; `error` is why the last attempt failed."""

    id: int
    reply_id: int
    kind: DeliveryKind
    details: dict[str, Any]
    error: str | None


@dataclass(frozen=True, slots=True)
class UnfinishedAnswer:
    """An answer that is being written: its request and its messages so far, with those that it replaces."""

    question_id: int
    channel_id: int
    message_ids: tuple[int, ...]
    guild_id: int | None = None


@dataclass(frozen=True, slots=True)
class StoredThread:
    """The channel that a thread belongs to, and whether only its members read it; None: not known."""

    parent_id: int
    private: bool | None


@dataclass(frozen=True, slots=True)
class Post:
    """A message of the bot's that shows stored words: a reply's card, a run's report or one of its questions.

    An answer is one to /ask, which shows what was asked.
    """

    message_id: int
    guild_id: int | None
    channel_id: int
    kind: PostKind
    reply_id: int | None = None
    run_id: str | None = None
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class GuildSetting:
    """One setting made on Discord, for a channel of a server or, with `channel_id` 0, for all of it."""

    guild_id: int
    channel_id: int
    name: str
    value: Any
