"""A request to the bot, however it came: as a message, by /ask, or by a button below an earlier answer.

It knows who asks, where, the context of the answer and how the answer is sent there. bot/chat/answering.py answers it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import discord

from bot.chat.context import Context, HistoryMessage, compose, plain_text, shorten
from bot.chat.existing_answer import ExistingAnswer
from bot.chat.history import HistoryReader, names_for
from bot.discord_io.retry import UNSENT, unreached
from bot.discord_io.sanitize import quotation
from bot.errors import Refused
from bot.i18n.en import texts
from bot.server.guild_settings import GuildSettings
from model.chat import Message
from storage.records import Reply

__all__ = ["ChatRequest", "Fits", "asked_by_button", "asked_by_command", "asked_by_message", "edit", "in_reply"]

_UNKNOWN_WAIT = 3600.0  # seconds
_TOKEN_S = 14.5 * 60  # an interaction is good for 15 minutes
_UNKNOWN_MESSAGE = 10008  # Discord's code: it was deleted

Fits = Callable[[Sequence[Message]], bool]
"""Whether these messages leave room for an answer."""


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """What is needed to answer.

    Attributes:
        id: of the message or interaction that asked; the controls of its answer carry it.
        settings: what holds in this place at the time of asking.
        context: the conversation, given a reader and what fits; None when no word was said to answer. Raises
            discord.NotFound when the request is gone.
        send: posts one part of the answer: its content, the first part (None for the first), and the controls below.
        edit: changes a part that was posted.
        heading: stands above the answer and is no part of it.
        thinking: Discord shows already that an answer is on its way.
        unprompted: nobody asked; an administrator opened the channel.
        prompt_message_id: the message that was answered, where there is one.
        answer_message_id: the message that is there already for the answer.
        standing: the answer that is replaced or continued, if there is one.
        asker_id: who may stop or repeat the answer; not `asker` when a moderator asked for another one.
    """

    id: int
    asker: discord.User | discord.Member
    asker_id: int
    guild: discord.Guild | None
    channel: Any
    settings: GuildSettings
    context: Callable[[HistoryReader, Fits], Awaitable[Context | None]] = field(repr=False)
    send: Callable[..., Awaitable[discord.Message]] = field(repr=False)
    edit: Callable[..., Awaitable[None]] = field(repr=False, default_factory=lambda: edit)
    heading: str = ""
    thinking: bool = False
    unprompted: bool = False
    prompt_message_id: int | None = None
    answer_message_id: int | None = None
    existing: ExistingAnswer | None = None

    @property
    def text_so_far(self) -> str:
        """What the answer says already, where it is gone on with."""
        return self.existing.text_so_far if self.existing is not None else ""

    @property
    def own_name(self) -> str:
        """The bot's name where it was asked."""
        me = self.guild.me if self.guild is not None else getattr(self.channel, "me", None)
        return me.display_name if me is not None else ""

    @property
    def guild_id(self) -> int | None:
        """The server it was asked on; None for a direct message."""
        return self.guild.id if self.guild is not None else None


def asked_by_message(message: discord.Message, settings: GuildSettings, *, unprompted: bool = False) -> ChatRequest:
    """A message that mentions the bot, replies to it, or stands where the bot listens."""

    async def context(reader: HistoryReader, fits: Fits) -> Context | None:
        history, root = await reader.reply_chain(message)
        if root == message.id and not history[-1].text:
            return None  # a bare mention asks nothing, whatever was said before it
        return compose(history, channel_id=message.channel.id, root=root, fits=fits)

    return ChatRequest(
        id=message.id,
        asker=message.author,
        asker_id=message.author.id,
        guild=message.guild,
        channel=message.channel,
        settings=settings,
        context=context,
        send=in_reply(message.channel, message, message.id),
        unprompted=unprompted,
        prompt_message_id=message.id,
    )


def asked_by_command(
    interaction: discord.Interaction[Any], words: str, message_id: int, settings: GuildSettings
) -> ChatRequest:
    """/ask, deferred already; `message_id` is that of the message which will hold the answer."""

    async def context(reader: HistoryReader, fits: Fits) -> Context | None:
        user = interaction.user
        names = await names_for(interaction.guild, words)
        request = HistoryMessage(message_id, user.id, user.display_name, plain_text(words, names, me=reader.me))
        if not request.text:
            return None
        history = await reader.recent_messages(interaction.channel, before=message_id)
        return compose([*history, request], channel_id=interaction.channel_id or 0, root=message_id, fits=fits)

    further = in_reply(interaction.channel, None, interaction.id)

    async def send(content: str, first: discord.Message | None, **extras: Any) -> discord.Message:
        if first is not None:
            try:
                return await further(content, first, **extras)
            except discord.Forbidden:  # a channel that the bot cannot see: its commands reach there all the same
                return await interaction.followup.send(content, wait=True, **extras)
        # The deferred message is filled in: done again, that is no second message, as a follow-up would be.
        try:
            message = await interaction.edit_original_response(content=content, **extras)
        except discord.HTTPException as error:
            if unreached(error) or error.code == _UNKNOWN_MESSAGE or not interaction.is_expired():
                raise
            return await further(content, None, **extras)  # it took too long for that message
        if "://" in content:
            await _without_previews(message)
        return message

    return ChatRequest(
        id=interaction.id,
        asker=interaction.user,
        asker_id=interaction.user.id,
        guild=interaction.guild,
        channel=interaction.channel,
        settings=settings,
        context=context,
        send=send,
        edit=_edit_through(interaction, message_id),
        heading=texts.asked(quotation(words)),
        thinking=True,
        answer_message_id=message_id,
    )


def asked_by_button(
    interaction: discord.Interaction[Any],
    existing: ExistingAnswer,
    settings: GuildSettings,
    recall: Callable[[], Awaitable[Reply]],
) -> ChatRequest:
    """Another answer in place of the existing one, or the rest of it.

    The conversation is the stored one, so it can be asked for after a restart, and holds no more than was shown then.
    `recall` gives the reply as it is stored now: what was deleted meanwhile is not generated from.
    """
    reply = existing.reply

    async def context(_reader: HistoryReader, fits: Fits) -> Context | None:
        now = await recall()
        if now.redacted:
            raise Refused(texts.ANSWER_GONE)
        return Context(shorten([turn for turn in now.turns if turn.role != "system"], fits), reply.conversation)

    first = existing.messages[0]
    return ChatRequest(
        id=interaction.id,
        asker=interaction.user,
        asker_id=reply.asker_id or interaction.user.id,
        guild=interaction.guild,
        channel=interaction.channel,
        settings=settings,
        context=context,
        send=in_reply(interaction.channel, first, interaction.id),
        edit=_edit_through(interaction, existing.messages[-1].id),
        heading=existing.heading,
        prompt_message_id=reply.prompt_message_id,
        existing=existing,
    )


def in_reply(
    channel: Any, replied_to: Any, number: object, *, posted: int = 0
) -> Callable[..., Awaitable[discord.Message]]:
    """Sends the parts of one answer: the first replies to the request, each further one to the first.

    `number` and how many were sent (`posted` before) make the nonce: the same until it is posted, so that a send that
    is tried again posts nothing twice. Discord refuses a reply to who may not read the channel's history: there the
    parts stand by themselves.
    """
    count = posted + 1

    async def send(content: str, first: discord.Message | None, **extras: Any) -> discord.Message:
        nonlocal count
        message: discord.Message = await channel.send(
            content,
            reference=_reference_to(first or replied_to),
            allowed_mentions=discord.AllowedMentions.none(),
            nonce=f"{number}-{count}",
            suppress_embeds=True,
            **extras,
        )
        count += 1
        return message

    return send


def _reference_to(message: Any) -> discord.MessageReference | None:
    """`message` may be a partial one, or a reference already."""
    if message is None:
        return None
    if isinstance(message, discord.MessageReference):
        return message
    me = message.guild.me if message.guild is not None else None
    if me is not None and not message.channel.permissions_for(me).read_message_history:
        return None
    reference: discord.MessageReference = message.to_reference(fail_if_not_exists=False)
    return reference


async def edit(message: discord.Message | discord.PartialMessage, **changes: Any) -> None:
    """Change a message of the bot's own.

    `suppress` each time: an edit of the buttons would bring the links' previews back (discord.py 2.7 sends flags 0).
    The class's own method: that of an interaction's messages cannot suppress, and ends with the interaction's token.
    """
    try:
        if isinstance(message, discord.Message):
            await discord.Message.edit(message, suppress=True, **changes)
        else:
            await message.edit(**changes)
    except KeyError as error:  # discord.py 2.7 reads `retry_after` of every 429, those on old messages included
        raise discord.RateLimited(_UNKNOWN_WAIT) from error


def _edit_through(interaction: discord.Interaction[Any], message_id: int) -> Callable[..., Awaitable[None]]:
    """Changes the message of an interaction by the interaction's own right, while that lasts (15 minutes).

    It holds in channels that the bot cannot see, and for messages so old that the bot may hardly edit them. All other
    messages, and this one later, are edited as any of the bot's.
    """
    quiet, began = False, time.monotonic()  # the host's clock may differ from Discord's

    async def change(message: discord.Message, **changes: Any) -> None:
        nonlocal quiet
        if message.id != message_id or time.monotonic() - began > _TOKEN_S:
            await edit(message, **changes)
            return
        try:
            await interaction.edit_original_response(**changes)
        except discord.HTTPException as error:
            if unreached(error) or error.code == _UNKNOWN_MESSAGE:
                raise
            await edit(message, **changes)
            return
        if not quiet and "://" in changes.get("content", ""):
            quiet = True  # an edit by the interaction leaves it so
            await _without_previews(message)

    return change


async def _without_previews(message: discord.Message) -> None:
    with contextlib.suppress(*UNSENT):  # a preview more is no reason to fail
        await edit(message)
