"""Replies: what the bot was shown and said, and where its words came from. Plain frozen values.

Knows nothing of SQLite, files, Discord or torch. Times are UTC in ISO 8601 with milliseconds
("2026-11-23T04:00:00.000+00:00"), so that they sort as text. Identifiers of people, channels and messages are
Discord's integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant"]
Source = Literal["discord", "import", "chat"]
Origin = Literal["message", "direct_message", "discord_export", "command", "import", "moderator", "bot"]
"""Where words came from: a message in a channel, a direct message, a Discord conversation that another program saved,
a slash command or form, a file of the operator's or a moderator's, a moderator's own wording, the bot."""
MESSAGE_CONTENT: tuple[Origin, ...] = ("message", "direct_message", "discord_export")
"""What Discord's policy calls message content: it came through its APIs, by this bot or by another program."""
STRICTEST_FIRST: tuple[Origin, ...] = (*MESSAGE_CONTENT, "bot", "moderator", "command", "import")
"""Where only one origin can be named: the first of these that fits."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message the model was shown. `author_id` is the person whose words it holds; the bot's have none.

    `origin` is known of every turn in the store. It is no part of what makes two turns equal.
    """

    role: Role
    content: str
    author_id: int | None = None
    message_id: int | None = None
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """A message whose words are a person's, or answer them: numbers of the message, the person, and what they said."""

    message_id: int
    person: int | None
    said: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReply:
    """What the bot said, before it is stored. `turns` is what it was shown and ends with a user turn."""

    source: Source
    conversation: str
    turns: tuple[Turn, ...]
    text: str
    adapter: str | None
    base_model: str
    guild_id: int | None = None
    channel_id: int | None = None
    message_id: int | None = None
    asker_id: int | None = None
    prompt_message_id: int | None = None
    finish_reason: str = "stop"
    confidence: float | None = None
    """How sure the model was, from 0 to 1: the mean probability of its tokens. None where it was not measured."""
    answered: frozenset[Answered] = frozenset()
    """What the bot's messages among the turns answered, besides what the store knows of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply(NewReply):
    """A stored reply. `redacted`: somebody's words were taken out of it, so it is never trained on."""

    id: int
    created_at: str
    redacted: bool
