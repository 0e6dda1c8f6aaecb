"""Which messages belong to a question: the chain it replies to, or what was said before it in the same channel.

Turns Discord's messages into the plain values of bot/chat/context.py. It reads only the channel of the question:
nothing said elsewhere can reach an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.chat.context import HistoryMessage, Names, name_prefix_length, people_in, plain_text
from bot.chat.message_text import (
    enclosed_in,
    forwarded_in,
    is_automated,
    is_proxied,
    is_speech,
    pastes_in,
    poll_in,
    rich_embeds_in,
)
from bot.chat.replied_to import known_replied_to, replied_to
from bot.chat.window import WindowStarts, in_steps
from bot.discord_io.retry import UNSENT
from bot.i18n.en import texts
from storage.reply_records import Answered, Origin

__all__ = ["HistoryReader", "names_for"]

_log = logging.getLogger(__name__)
_CHAIN = 20  # messages up a chain of replies
_HISTORY_SECONDS = 5.0  # then the answer is generated without the history
_FETCHED = 5  # members fetched for the mentions of one text

Withheld = Callable[[Iterable[Answered]], Awaitable[Collection[int]]]


@dataclass(frozen=True)
class HistoryReader:
    """Reads the history for the bot with the user id `me`.

    Attributes:
        recent: how many earlier messages of the channel are read at most when a question replies to nothing.
        unfinished: ids of the bot's messages that are still growing; they are skipped.
        fresh: whether to fetch every message from Discord again, rather than use the cache.
        withheld: which of some messages, with whose words each is or answers, must not be shown, though
            Discord still has them: their authors were forgotten, or they answer such people.
        starts: the messages that earlier contexts began with.
    """

    me: int
    recent: int
    unfinished: Collection[int] = field(default=frozenset())
    fresh: bool = False
    withheld: Withheld | None = None
    starts: WindowStarts = field(default_factory=WindowStarts)

    async def reply_chain(self, question: discord.Message) -> tuple[list[HistoryMessage], int]:
        """The conversation up to the question, oldest first, and the id of the message it began with.

        Raises:
            discord.NotFound: the question is gone (noticed only when `fresh`).
        """
        if self.fresh:
            question = await question.channel.fetch_message(question.id)
        chain = [question]
        while len(chain) < _CHAIN and (before := await replied_to(chain[-1], fresh=self.fresh)) is not None:
            chain.append(before)
        full = len(chain) == _CHAIN and chain[-1].reference is not None
        chain = in_steps(chain, _CHAIN, self.starts, full=full)
        root = chain[-1].id
        if len(chain) == 1:
            chain += await self._history(question.channel, before=question)
        return await self._readable(chain, asked=question.id), root

    async def recent_messages(self, channel: Any, *, before: int) -> list[HistoryMessage]:
        """The last messages of a channel before the one with this id, oldest first."""
        return await self._readable(await self._history(channel, before=discord.Object(before)))

    async def words_of(self, message: discord.Message) -> list[HistoryMessage]:
        """One Discord message as plain text, without what must not be shown."""
        said = await self.messages_in(message)
        gone = await self._gone(said)
        return [one for one in said if one.message_id not in gone]

    async def messages_in(self, message: discord.Message) -> list[HistoryMessage]:
        """One Discord message as plain text; an answer to /ask is two: what was asked, and the answer."""
        content = message.content
        if message.guild is not None and (length := name_prefix_length(content, message.guild.me.display_name)):
            content = content[length:]
        names = Names(
            users={user.id: user.display_name for user in message.mentions},
            roles={role.id: role.name for role in message.role_mentions},
            channels={one.id: one.name for one in message.channel_mentions},
        )
        asked = message.interaction_metadata
        if message.author.id == self.me and asked is not None:
            question, content = texts.asked_and_answered(content)
            history = [self._message(message, content, names)]
            if question:
                text = plain_text(question, names, me=self.me)
                asker = asked.user
                history.insert(0, HistoryMessage(message.id, asker.id, asker.display_name, text, origin="command"))
            return history
        forwarded = [
            HistoryMessage(
                message.id, None, texts.FORWARDED, plain_text(text, names, me=self.me), origin=_origin(message)
            )
            for text in forwarded_in(message)
        ]
        pasted = [] if message.author.id == self.me else await pastes_in(message)
        return [*forwarded, self._message(message, "\n".join([content, *pasted]), names)]

    def _message(self, message: discord.Message, content: str, names: Names) -> HistoryMessage:
        ours = message.author.id == self.me
        automated = not ours and is_automated(message)
        text = plain_text(content, names, me=self.me)
        parts = [text] if ours else [text, poll_in(message), *enclosed_in(message)]
        if automated:
            parts.append(plain_text(rich_embeds_in(message), names, me=self.me))
        return HistoryMessage(
            message_id=message.id,
            author_id=None if automated else message.author.id,
            name=message.author.display_name,
            text="\n".join(part for part in parts if part),
            ours=ours,
            origin="bot" if ours else _origin(message),
            answered=self._answered_by(message) if ours else None,
        )

    def _answered_by(self, message: discord.Message) -> Answered | None:
        """What a message of the bot answers; the parts of a long answer reply to its first message."""
        question = known_replied_to(message)
        if question is None or question.author.id == self.me:
            return None
        return Answered(message.id, question.author.id, question.id)

    async def _readable(self, newest_first: list[discord.Message], asked: int | None = None) -> list[HistoryMessage]:
        """These messages without those that must not be shown, oldest first; `asked` is always kept."""
        wanted = [one for one in reversed(newest_first) if is_speech(one) and one.id not in self.unfinished]
        history = [history for one in wanted for history in await self.messages_in(await self._original(one))]
        gone = await self._gone(history)
        return [one for one in history if one.message_id == asked or one.message_id not in gone]

    async def _gone(self, history: Sequence[HistoryMessage]) -> Collection[int]:
        """Those of these messages that must not be shown."""
        if self.withheld is None:
            return ()
        return await self.withheld([one.answered or Answered(one.message_id, *_speaker(one)) for one in history])

    async def _original(self, message: discord.Message) -> discord.Message:
        """The message that a thread was made from, in place of Discord's pointer to it."""
        reference = message.reference
        if message.type is not discord.MessageType.thread_starter_message or reference is None:
            return message
        if reference.cached_message is not None and not self.fresh:
            return reference.cached_message
        parent = getattr(message.channel, "parent", None)
        if parent is None or reference.message_id is None:
            return message
        try:
            original: discord.Message = await parent.fetch_message(reference.message_id)
        except discord.HTTPException:
            return message
        return original

    async def _history(self, channel: Any, *, before: Any) -> list[discord.Message]:
        if not self.recent:
            return []
        try:
            async with asyncio.timeout(_HISTORY_SECONDS):
                recent = [one async for one in channel.history(limit=self.recent, before=before)]
        except UNSENT as error:  # usually: may not read the history here
            _log.info("Answering without the history of channel %s: %s", channel.id, error)
            return []
        recent = in_steps(recent, self.recent, self.starts, full=len(recent) == self.recent)
        # Other bots' messages are read only where somebody replies to them.
        return [one for one in recent if one.author.id == self.me or not is_automated(one) or is_proxied(one)]


def _origin(message: discord.Message) -> Origin:
    """Of somebody's message; the bot reads it through Discord's API."""
    return "direct_message" if message.guild is None else "message"


def _speaker(one: HistoryMessage) -> tuple[int | None, int]:
    return (None if one.ours else one.author_id), one.message_id


async def names_for(guild: discord.Guild | None, content: str) -> Names:
    """The names behind the ids in a text that is not a message, and so has no list of mentions."""
    if guild is None:
        return Names({}, {}, {})
    users = {one.id: one.display_name for one in guild.members}
    for user_id in sorted(people_in(content) - set(users))[:_FETCHED]:
        with contextlib.suppress(discord.HTTPException):
            users[user_id] = (await guild.fetch_member(user_id)).display_name
    return Names(
        users=users,
        roles={one.id: one.name for one in guild.roles},
        channels={one.id: one.name for one in (*guild.channels, *guild.threads)},
    )
