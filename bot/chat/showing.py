"""Showing a finished answer on Discord as far as Discord allows: by edits, in new messages, or as a notice.

Knows messages and their content; bot/review/outbox.py stores deliveries and retries them.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import discord

from bot.chat.answer_messages import edit, in_reply
from bot.chat.existing_answer import heading_of
from bot.discord_io.emoji import emoji_of, with_emoji
from bot.discord_io.markup import closing
from bot.discord_io.retry import UNSENT, unreached, with_retry
from bot.discord_io.sanitize import sanitize
from bot.discord_io.streaming import MessageStream
from bot.i18n.en import texts
from storage.reply_records import Reply

__all__ = [
    "as_posted",
    "channel_of",
    "delete_message",
    "prompt_reference",
    "show",
    "stream_from_held",
    "stream_from_ids",
]

_log = logging.getLogger(__name__)
_LOOKED_THROUGH = 50  # messages after the question, for parts of an answer that were posted and not noted


def as_posted(text: str, finish_reason: str, guild: discord.Guild | None) -> str:
    """What is posted of an answer as it was generated."""
    shown = with_emoji(sanitize(text), emoji_of(guild))
    return shown + closing(shown, code_only=finish_reason == "stop")


async def show(
    stream: MessageStream, text: str, controls: Any, *, restored: Callable[[], Awaitable[None]] | None = None
) -> list[Any]:
    """Show the whole of `text` in the messages of `stream`; returns those that it had to replace by new ones.

    Where Discord refuses an edit, the text is posted anew. Where it refuses the text itself, a notice says so.

    Args:
        stream: what is shown so far.
        text: what to show.
        controls: the buttons below it.
        restored: restores the existing answer, where there was one.

    Raises:
        discord.NotFound: the messages were deleted.
        discord.HTTPException: Discord refused, and shows a notice if it could be shown.
        others of UNSENT: Discord could not be reached; call it again.
    """
    try:
        await with_retry(lambda: stream.finish(text, controls))
    except discord.NotFound:
        raise
    except (discord.HTTPException, discord.RateLimited) as error:
        if unreached(error):
            raise
        _log.warning("Discord refused an edit (%s); posting the answer anew", error)
    else:
        return []
    if restored is not None:
        await _as_far_as_possible(restored)
    try:
        return await with_retry(lambda: stream.renew(text, controls))
    except discord.HTTPException as error:
        if restored is None and not unreached(error):
            await _as_far_as_possible(lambda: with_retry(lambda: stream.finish(texts.NOT_TAKEN)))
        raise


async def _as_far_as_possible(attempt: Callable[[], Awaitable[None]]) -> None:
    try:
        await attempt()
    except UNSENT as error:
        _log.warning("Discord refused to say so, too: %s", error)


async def stream_from_ids(
    channel: Any, me: int, noted: Sequence[int], *, after: discord.MessageReference | None, number: object
) -> MessageStream:
    """The messages of an answer as they are now, when only their ids are known.

    Args:
        channel: where they are.
        me: the bot's user id.
        noted: the messages that are known, first to last.
        after: what the answer replies to. Its parts reply to that or to its first part: those that were posted just
            before the process ended, and so not noted, are found by it.
        number: of the nonces of further messages.

    Raises:
        discord.NotFound: a message was deleted.
    """
    messages: list[Any] = [await _message(channel, one) for one in noted]
    anchors = {one for one in (noted[0] if noted else None, after.message_id if after else None) if one}
    if anchors:
        try:
            since = discord.Object(max(noted or anchors))
            async for one in channel.history(limit=_LOOKED_THROUGH, after=since, oldest_first=True):
                replied_to = one.reference.message_id if one.reference is not None else None
                if one.author.id == me and replied_to in anchors and one.id not in noted:
                    messages.append(one)
                    anchors.add(one.id if not noted else 0)
        except discord.HTTPException:
            _log.info("Could not look for parts of an answer in channel %s", channel.id, exc_info=True)
    return MessageStream(in_reply(channel, after, number, posted=len(messages)), edit=edit, existing=messages)


async def _message(channel: Any, message_id: int) -> Any:
    try:
        return await channel.fetch_message(message_id)
    except discord.Forbidden:  # may not read the history; editing is another matter
        return channel.get_partial_message(message_id)


async def stream_from_held(
    channel: Any, held_in: Sequence[int], *, posts: bool, after: discord.MessageReference | None, number: object
) -> tuple[MessageStream, str, str]:
    """The messages of a held answer, and the text above and below it.

    With `posts` there is something to post, also where the messages are gone. Raises discord.NotFound elsewhere.
    """
    shown = []
    for message_id in held_in:
        try:
            shown.append(await _message(channel, message_id))
        except discord.NotFound:
            if not posts:
                raise
    stream = MessageStream(in_reply(channel, after, number, posted=len(shown)), edit=edit, existing=shown)
    # The question of /ask and the line on how learning works are kept only in the messages.
    known = [one for one in shown if isinstance(one, discord.Message)]
    return stream, *((heading_of(known[0]), texts.without_aside(known[-1].content)[1]) if known else ("", ""))


async def channel_of(client: discord.Client, reply: Reply) -> Any:
    """The channel of a reply; an archived thread is opened again. Raises discord.NotFound, Forbidden."""
    channel: Any = client.get_channel(reply.channel_id or 0)
    if channel is None:
        channel = await client.fetch_channel(reply.channel_id or 0)
    if isinstance(channel, discord.Thread) and channel.archived:
        await channel.edit(archived=False)
    return channel


def prompt_reference(reply: Reply, channel: Any) -> discord.MessageReference | None:
    """The message that a reply answers; None where the bot may not read the history, and so may not reply."""
    guild = getattr(channel, "guild", None)
    if guild is not None and not channel.permissions_for(guild.me).read_message_history:
        return None
    if reply.prompt_message_id is None or reply.channel_id is None:
        return None
    return discord.MessageReference(
        message_id=reply.prompt_message_id,
        channel_id=reply.channel_id,
        guild_id=reply.guild_id,
        fail_if_not_exists=False,
    )


async def delete_message(message: Any) -> None:
    """Delete a message that another one replaced."""
    try:
        await message.delete()
    except UNSENT:
        _log.warning("Half an answer could not be taken away", exc_info=True)
