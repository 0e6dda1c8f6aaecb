"""Where documents come from on Discord: an attachment, a message, or the pinned messages of a channel."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import discord

from bot.chat.context import HistoryMessage
from bot.chat.history import HistoryReader
from bot.discord_io.excerpts import line
from bot.errors import Refused
from bot.i18n.en import knowledge as texts
from bot.server.moderators import Moderators
from storage.document_errors import DocumentUnreadable
from storage.files.document_text import chunks_of_text, is_readable, read_document
from storage.recall_records import DocumentKind, NewChunk
from storage.reply_records import Answered
from storage.store import Store

__all__ = [
    "LARGEST",
    "Source",
    "channel_at",
    "fetched",
    "from_file",
    "from_message",
    "from_pins",
    "message_at",
    "title_of",
    "words_of",
]

LARGEST = 8 * 1024 * 1024
"""Bytes of a file."""

_PINS = 250  # messages, as many as Discord lets be pinned
_TITLE = 80
_LINK = re.compile(r"https?://(?:\w+\.)?discord(?:app)?\.com/channels/(\d+)/(\d+)/(\d+)")


@dataclass(frozen=True)
class Source:
    """A document that was read. `channel_id`: only who reads this channel is shown it."""

    kind: DocumentKind
    title: str
    chunks: list[NewChunk]
    url: str | None = None
    channel_id: int | None = None
    message_id: int | None = None


async def from_file(file: discord.Attachment) -> Source:
    """An attachment, for the whole server. Raises Refused."""
    if not is_readable(file.filename):
        raise Refused(texts.KIND_UNKNOWN)
    if file.size > LARGEST:
        raise Refused(texts.TOO_LARGE)
    data = await file.read()
    if len(data) > LARGEST:  # whatever size was declared
        raise Refused(texts.TOO_LARGE)
    try:
        title, chunks = await asyncio.to_thread(read_document, file.filename, data)
    except DocumentUnreadable as error:
        raise Refused(texts.UNREADABLE) from error
    return Source("file", line(title or file.filename, _TITLE), chunks)


async def from_message(member: Any, moderators: Moderators, link: str) -> Source:
    """A message that a link leads to, for somebody who can read its channel. Raises Refused."""
    found = _LINK.match(link.strip())
    if found is None or int(found[1]) != member.guild.id:
        raise Refused(texts.NO_LINK)
    return await message_at(member, moderators, int(found[2]), int(found[3]))


async def message_at(member: Any, moderators: Moderators, channel_id: int, message_id: int) -> Source:
    """A message, for somebody who can read its channel. Raises Refused."""
    channel = await channel_at(member, moderators, channel_id)
    message = await fetched(channel, message_id)
    chunks = await _chunks_of(message, await words_of(message, moderators))
    return Source("message", title_of(message.content), chunks, message.jump_url, channel.id, message.id)


async def from_pins(member: Any, moderators: Moderators, channel_id: int) -> Source:
    """The pinned messages of a channel, for somebody who can read it. Raises Refused."""
    channel = await channel_at(member, moderators, channel_id)
    try:
        pinned = [one async for one in channel.pins(limit=_PINS)]
    except discord.HTTPException as error:
        raise Refused(texts.CANNOT_READ) from error
    chunks = [
        chunk
        for message in reversed(pinned)
        for chunk in await _chunks_of(message, await _words_of(message, moderators))
    ]
    if not chunks:
        raise Refused(texts.NO_PINS)
    return Source("pins", f"#{channel.name}", chunks, channel.jump_url, channel.id)


async def channel_at(member: Any, moderators: Moderators, channel_id: int) -> Any:
    """A channel or thread that both the member and the bot can read. Raises Refused."""
    channel: Any = member.guild.get_channel_or_thread(channel_id)
    readable = channel is not None and await moderators.readers.may_read(member, channel_id)
    if not readable or not channel.permissions_for(member.guild.me).read_message_history:
        raise Refused(texts.CANNOT_READ)
    return channel


def title_of(text: str) -> str:
    """The first line of a text, as a title."""
    first = next((one.strip("#*_> ") for one in text.splitlines() if one.strip("#*_> ")), "")
    return line(first, _TITLE) or texts.FACT_TITLE


async def fetched(channel: Any, message_id: int) -> discord.Message:
    """A message as it is now. Raises Refused where it is gone, or cannot be read."""
    try:
        message: discord.Message = await channel.fetch_message(message_id)
    except discord.NotFound as error:
        raise Refused(texts.MESSAGE_GONE) from error
    except discord.Forbidden as error:
        raise Refused(texts.CANNOT_READ) from error
    return message


async def words_of(message: discord.Message, moderators: Moderators) -> list[HistoryMessage]:
    """What a message says. Raises Refused where that must not be stored: it is a forgotten person's, or answers one."""
    words = await _words_of(message, moderators)
    if not words:
        raise Refused(texts.WITHHELD)
    return words


async def _words_of(message: discord.Message, moderators: Moderators) -> list[HistoryMessage]:
    me = message.guild.me.id if message.guild is not None else 0

    async def withheld(spoken: Iterable[Answered]) -> set[int]:
        return await moderators.store.read(Store.withheld, list(spoken))

    return await HistoryReader(me, 0, withheld=withheld).words_of(message)


async def _chunks_of(message: discord.Message, words: Iterable[HistoryMessage]) -> list[NewChunk]:
    """The parts of what a message says, with whose words each is."""

    def chunks() -> list[NewChunk]:
        return [
            chunk
            for one in words
            for chunk in chunks_of_text(one.text, message_id=message.id, author_id=None if one.ours else one.author_id)
        ]

    return await asyncio.to_thread(chunks)
