"""The message that another one replies to, in the same channel."""

from __future__ import annotations

import discord

from bot.discord_io.retry import UNSENT

__all__ = ["author_replied_to", "known_replied_to", "replied_to"]


async def replied_to(message: discord.Message, *, fresh: bool = False) -> discord.Message | None:
    """The message that this one replies to, as it is now, if it is in the same channel and readable.

    discord.py has two kinds of copies: those in its cache follow edits and deletions, while `resolved` is the message
    as it was when the reply was sent. With `fresh`, ask Discord even if it is in the cache.
    """
    reference = _reference(message)
    if reference is None or reference.message_id is None:
        return None
    if isinstance(reference.resolved, discord.DeletedReferencedMessage):
        return None
    if reference.cached_message is not None and not fresh:
        return reference.cached_message
    try:
        return await message.channel.fetch_message(reference.message_id)
    except UNSENT:
        return None


async def author_replied_to(message: discord.Message) -> int | None:
    """The author of the message that this one replies to; any copy will do, since the author never changes."""
    found = known_replied_to(message) or await replied_to(message)
    return found.author.id if found is not None else None


def known_replied_to(message: discord.Message) -> discord.Message | None:
    """The message that this one replies to, where Discord has told it already; maybe an old copy."""
    reference = _reference(message)
    known = reference and (reference.cached_message or reference.resolved)
    return known if isinstance(known, discord.Message) else None


def _reference(message: discord.Message) -> discord.MessageReference | None:
    """The reference of a reply within one channel."""
    reference = message.reference
    if (
        reference is None
        or reference.message_id is None
        or reference.type is not discord.MessageReferenceType.reply
        or reference.channel_id != message.channel.id
    ):
        return None
    return reference
