"""Which messages belong to a question: the chain it replies to, or what was said before it in the same channel.

This is the edge between Discord's messages and the plain ones of bot/conversation.py and bot/addressing.py. It reads
one channel only, the question's own: nothing said elsewhere can reach an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import discord

from bot import texts
from bot.addressing import Spoken, named
from bot.conversation import Heard, Names, called, plain_text
from bot.sending import UNSENT

__all__ = ["Ear", "places_of", "roles_of"]

_log = logging.getLogger(__name__)
_SPOKEN = (discord.MessageType.default, discord.MessageType.reply)
_CHAIN = 20  # messages up a chain of replies
_HISTORY_SECONDS = 5.0  # a Discord that does not tell sooner what was said before holds no answer up
_NAME = 80  # characters of an attachment's name


def places_of(channel: Any) -> tuple[int, ...]:
    """Ids of a channel; for a thread its parent's and its own."""
    parent = getattr(channel, "parent_id", None) if isinstance(channel, discord.Thread) else None
    return (parent, channel.id) if parent else (channel.id,)


def roles_of(author: discord.abc.User) -> tuple[int, ...]:
    """Ids of the roles somebody has on the server at hand."""
    return tuple(role.id for role in author.roles) if isinstance(author, discord.Member) else ()


@dataclass(frozen=True)
class Ear:
    """Hears for the bot with the user id `me`.

    Attributes:
        recent: how many earlier messages of the channel are read when a question replies to nothing.
        unfinished: ids of the bot's messages that are still growing; they are passed over.
        fresh: whether to ask Discord for every message again, rather than trust what is remembered of it.
    """

    me: int
    recent: int
    unfinished: Collection[int] = field(default=frozenset())
    fresh: bool = False

    async def spoken(self, message: discord.Message) -> Spoken | None:
        """How a message stands to the bot; None for what is no person's message: bots', webhooks', announcements."""
        if message.author.bot or message.author.id == self.me or message.webhook_id or message.type not in _SPOKEN:
            return None
        if message.guild is None:
            return Spoken(True, to_me=True, names_me=False, to_others=False, places=(message.channel.id,), roles=())
        name = message.guild.me.display_name
        own_role = message.guild.self_role  # Discord offers it beside the bot when somebody types its name
        mine = {self.me} | ({own_role.id} if own_role is not None else set())
        meant = {one.id for one in (*message.mentions, *message.role_mentions)}
        replied_to = await self._replied_to(message)
        if replied_to is not None:
            meant.add(replied_to.author.id)
        return Spoken(
            direct=False,
            to_me=bool(meant & mine or called(message.content, name)),
            names_me=named(message.content, name),
            to_others=bool(meant - mine or message.mention_everyone),
            places=places_of(message.channel),
            roles=roles_of(message.author),
        )

    async def chain(self, question: discord.Message) -> tuple[list[Heard], int]:
        """The conversation up to the question, oldest first, and the id of the message it began with.

        Raises:
            discord.NotFound: the question is gone (noticed only when `fresh`).
        """
        if self.fresh:
            question = await question.channel.fetch_message(question.id)
        chain = [question]
        while len(chain) < _CHAIN and (before := await self._replied_to(chain[-1])) is not None:
            chain.append(before)
        root = chain[-1].id
        if len(chain) == 1:
            chain += await self._history(question.channel, before=question)
        return self._plain(chain), root

    async def lately(self, channel: Any, *, before: int) -> list[Heard]:
        """What was said last in a channel before the message with this id, oldest first."""
        return self._plain(await self._history(channel, before=discord.Object(before)))

    def overhear(self, message: discord.Message) -> list[Heard]:
        """One Discord message in plain words; an answer to /ask is two: what was asked, and the answer."""
        content = message.content
        if message.guild is not None and (length := called(content, message.guild.me.display_name)):
            content = content[length:]
        names = Names(
            users={user.id: user.display_name for user in message.mentions},
            roles={role.id: role.name for role in message.role_mentions},
            channels={one.id: one.name for one in message.channel_mentions},
        )
        asked = message.interaction_metadata
        if message.author.id == self.me and asked is not None:
            question, content = texts.asked_and_answered(content)
            heard = [self._heard(message, content, names)]
            if question:
                words = plain_text(question, names, me=self.me)
                heard.insert(0, Heard(message.id, asked.user.id, asked.user.display_name, words))
            return heard
        return [self._heard(message, content, names)]

    def _heard(self, message: discord.Message, content: str, names: Names) -> Heard:
        ours = message.author.id == self.me
        words = plain_text(content, names, me=self.me)
        enclosed = [] if ours else [_named(one.content_type, one.filename) for one in message.attachments]
        enclosed += [] if ours else [texts.enclosed("sticker", one.name) for one in message.stickers]
        return Heard(
            message_id=message.id,
            author_id=message.author.id,
            name=message.author.display_name,
            text="\n".join(part for part in (words, *enclosed) if part),
            ours=ours,
        )

    def _plain(self, newest_first: list[discord.Message]) -> list[Heard]:
        wanted = [
            one
            for one in reversed(newest_first)
            if (one.author.id == self.me or not one.author.bot) and one.id not in self.unfinished
        ]
        return [heard for one in wanted if _said(one) for heard in self.overhear(one)]

    async def _history(self, channel: Any, *, before: Any) -> list[discord.Message]:
        if not self.recent:
            return []
        try:
            async with asyncio.timeout(_HISTORY_SECONDS):
                return [one async for one in channel.history(limit=self.recent, before=before)]
        except UNSENT as error:  # usually: may not read the history here
            _log.info("Answering without the history of channel %s: %s", channel.id, error)
            return []

    async def _replied_to(self, message: discord.Message) -> discord.Message | None:
        """The message that this one replies to, if it stands in the same channel and can be read."""
        reference = message.reference
        if (
            reference is None
            or reference.message_id is None
            or reference.type is not discord.MessageReferenceType.reply
            or reference.channel_id != message.channel.id
        ):
            return None
        known = reference.cached_message or reference.resolved
        if isinstance(known, discord.DeletedReferencedMessage):
            return None
        if isinstance(known, discord.Message) and not self.fresh:
            return known
        try:
            return await message.channel.fetch_message(reference.message_id)
        except UNSENT:
            return None


def _said(message: discord.Message) -> bool:
    return message.type in _SPOKEN or message.type is discord.MessageType.chat_input_command


def _named(content_type: str | None, filename: str) -> str:
    kind = (content_type or "").partition("/")[0]
    return texts.enclosed(kind if kind in ("image", "video", "audio") else "file", filename[:_NAME])
