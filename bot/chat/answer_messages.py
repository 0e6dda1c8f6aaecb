"""Posting and editing the messages of an answer, so that a retry posts nothing twice and no link gets a preview."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import discord

from bot.discord_io.components import Interaction
from bot.discord_io.retry import UNSENT, unreached

__all__ = ["UNKNOWN_MESSAGE", "InteractionEditor", "edit", "in_reply", "without_previews"]

UNKNOWN_MESSAGE = 10008  # Discord's code: it was deleted
_UNKNOWN_WAIT = 3600.0  # seconds
_TOKEN_S = 14.5 * 60  # an interaction is good for 15 minutes


def in_reply(
    channel: Any, replied_to: Any, number: object, *, posted: int = 0
) -> Callable[..., Awaitable[discord.Message]]:
    """Return a function that posts the parts of one answer: the first replies to the request, the others to the first.

    `number` and how many were sent (`posted` before) make the nonce: the same until it is posted, so that a send that
    is tried again posts nothing twice. Discord refuses a reply to who may not read the channel's history: there the
    parts are no replies.
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


class InteractionEditor:
    """Edits the message of an interaction with the interaction's token, while that is valid (15 minutes).

    This works in channels that the bot cannot see, and for messages so old that the bot may hardly edit them. All other
    messages, and this one later, are edited as any of the bot's.
    """

    def __init__(self, interaction: Interaction, message_id: int) -> None:
        self._interaction, self._message_id = interaction, message_id
        self._previews_off, self._began = False, time.monotonic()  # the host's clock may differ from Discord's

    async def edit(self, message: discord.Message, **changes: Any) -> None:
        """Change a message of the answer."""
        if message.id != self._message_id or time.monotonic() - self._began > _TOKEN_S:
            await edit(message, **changes)
            return
        try:
            await self._interaction.edit_original_response(**changes)
        except discord.HTTPException as error:
            if unreached(error) or error.code == UNKNOWN_MESSAGE:
                raise
            await edit(message, **changes)
            return
        if not self._previews_off and "://" in changes.get("content", ""):
            self._previews_off = True  # an edit by the interaction leaves it so
            await without_previews(message)


async def without_previews(message: discord.Message) -> None:
    """Hide the previews of links, if Discord lets us."""
    with contextlib.suppress(*UNSENT):  # a preview is no reason to fail
        await edit(message)
