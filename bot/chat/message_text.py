"""Everything a Discord message says, not only its content: pastes, polls, forwards, embeds, attachments, stickers.

What a member sees is what the model reads. Forwarded messages and other bots' embeds have no author here: nobody can
be asked for consent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import discord

from bot.i18n.en import texts

__all__ = [
    "PROXIES",
    "enclosed_in",
    "forwarded_in",
    "is_automated",
    "is_proxied",
    "is_speech",
    "pastes_in",
    "poll_in",
    "rich_embeds_in",
]

_log = logging.getLogger(__name__)

PROXIES = frozenset({466378653216014359, 431544605209788416})
"""Applications that post a member's message again under another name: PluralKit, Tupperbox."""

_SPEECH = {
    discord.MessageType.default,
    discord.MessageType.reply,
    discord.MessageType.chat_input_command,
    discord.MessageType.context_menu_command,
    discord.MessageType.thread_starter_message,
}
_PASTE = "message.txt"  # what Discord's client makes of a text that is too long for one message
_PASTE_BYTES = 65_536
_PASTE_SECONDS = 5.0
_NAME = 80  # characters of an attachment's or a poll answer's name
_EMBED = 2_000  # characters of embeds in one message


def is_speech(message: discord.Message) -> bool:
    """Whether a message says something, and is no announcement of Discord's (somebody joined, a message was pinned)."""
    return message.type in _SPEECH


def is_automated(message: discord.Message) -> bool:
    """Whether a bot or a webhook sent a message."""
    return message.author.bot or message.webhook_id is not None


def is_proxied(message: discord.Message) -> bool:
    """Whether a proxy application posted this message for a member."""
    return message.webhook_id is not None and message.application_id in PROXIES


def enclosed_in(message: discord.Message) -> list[str]:
    """What is attached, by kind and name: the model cannot see it, but knows that it is there."""
    files = [_named(one.content_type, one.filename) for one in message.attachments if not _is_paste(one)]
    return files + [texts.enclosed("sticker", one.name) for one in message.stickers]


def poll_in(message: discord.Message) -> str:
    """A poll's question and its answers; empty where there is none."""
    poll = message.poll
    if poll is None:
        return ""
    answers = " / ".join(str(answer.text)[:_NAME] for answer in poll.answers)
    return texts.enclosed("poll", f"{poll.question}: {answers}")


def forwarded_in(message: discord.Message) -> list[str]:
    """The contents of messages that this one forwards."""
    return [text for one in message.message_snapshots if (text := one.content or _embedded(one.embeds))]


def rich_embeds_in(message: discord.Message) -> str:
    """What embeds say where a message says nothing else: many bots and webhooks write so."""
    return "" if message.content else _embedded(message.embeds)


async def pastes_in(message: discord.Message) -> list[str]:
    """The texts that Discord's client turned into a file; one that cannot be read is left out."""
    return [text for one in message.attachments if _is_paste(one) and (text := await _read(one))]


async def _read(paste: discord.Attachment) -> str:
    try:
        async with asyncio.timeout(_PASTE_SECONDS):
            return (await paste.read()).decode("utf-8", "replace").strip()
    except (discord.DiscordException, TimeoutError, OSError):
        _log.info("Answering without the pasted text %s, which cannot be read", paste.id, exc_info=True)
        return ""


def _is_paste(attachment: discord.Attachment) -> bool:
    return attachment.filename == _PASTE and attachment.size <= _PASTE_BYTES


def _embedded(embeds: Iterable[discord.Embed]) -> str:
    lines: list[str] = []
    for one in embeds:
        fields = (f"{field.name}: {field.value}" for field in one.fields)
        lines += [part for part in (one.title, one.description, *fields) if part]
    return "\n".join(lines)[:_EMBED]


def _named(content_type: str | None, filename: str) -> str:
    kind = (content_type or "").partition("/")[0]
    return texts.enclosed(kind if kind in ("image", "video", "audio") else "file", filename[:_NAME])
