"""Which messages belong to a question: the chain it replies to, or what was said before it in the same channel.

This is the edge between Discord's messages and bot/conversation.py's plain ones. It reads one channel only, the
question's own: nothing said elsewhere can reach an answer.
"""

from __future__ import annotations

import logging

import discord

from bot.conversation import Heard, Names, called, plain_text

__all__ = ["addressed", "hear", "overhear"]

_log = logging.getLogger(__name__)
_SPOKEN = (discord.MessageType.default, discord.MessageType.reply)
_CHAIN = 20  # messages up a chain of replies


async def addressed(message: discord.Message, me: int, *, direct_messages: bool) -> bool:
    """Whether a message asks the bot: by mention, by replying to it, or directly. Bots never do.

    A name typed with an @ that Discord did not turn into a mention counts as one.
    """
    if message.author.bot or message.author.id == me or message.type not in _SPOKEN:
        return False
    if message.guild is None:
        return direct_messages
    if any(user.id == me for user in message.mentions) or called(message.content, message.guild.me.display_name):
        return True
    replied_to = await _replied_to(message) if message.reference is not None else None
    return replied_to is not None and replied_to.author.id == me


async def hear(question: discord.Message, me: int, *, recent: int) -> tuple[list[Heard], int]:
    """The conversation up to the question, oldest first, and the id of the message it began with.

    `recent` is how many earlier messages of the channel are read when the question replies to nothing.
    """
    chain = [question]
    while len(chain) < _CHAIN and (before := await _replied_to(chain[-1])) is not None:
        chain.append(before)
    root = chain[-1].id
    if len(chain) == 1 and recent:
        try:
            chain += [one async for one in question.channel.history(limit=recent, before=question)]
        except discord.HTTPException as error:  # usually: may not read the history here
            _log.info("Answering without the history of channel %s: %s", question.channel.id, error)
    wanted = [one for one in reversed(chain) if one.author.id == me or not one.author.bot]
    return [overhear(one, me) for one in wanted if one.type in _SPOKEN], root


def overhear(message: discord.Message, me: int) -> Heard:
    """One Discord message in plain words."""
    content = message.content
    if message.guild is not None and (length := called(content, message.guild.me.display_name)):
        content = content[length:]
    names = Names(
        users={user.id: user.display_name for user in message.mentions},
        roles={role.id: role.name for role in message.role_mentions},
        channels={one.id: one.name for one in message.channel_mentions},
    )
    return Heard(
        message_id=message.id,
        author_id=message.author.id,
        name=message.author.display_name,
        text=plain_text(content, names, me=me),
        ours=message.author.id == me,
    )


async def _replied_to(message: discord.Message) -> discord.Message | None:
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
    if isinstance(known, discord.Message):
        return known
    if isinstance(known, discord.DeletedReferencedMessage):
        return None
    try:
        return await message.channel.fetch_message(reference.message_id)
    except discord.HTTPException:
        return None
