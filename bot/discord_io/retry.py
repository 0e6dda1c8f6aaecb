"""Retries: nothing is lost and nothing is posted twice when the connection to Discord fails.

discord.py waits out rate limits and tries again after most failures of Discord's. What it gives up on, and a network
that breaks in the middle, is met here. Sending again is safe: an edit can be repeated, and a new message carries a
number (`nonce`) by which Discord knows it again. (discord.py draws one for each call where none is given, so a call is
safe by itself; what is called again needs the same.)
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
import discord

__all__ = ["UNREACHED", "UNSENT", "nonce_of", "unreached", "with_retry"]

T = TypeVar("T")

UNREACHED = (discord.DiscordServerError, aiohttp.ClientError, TimeoutError, ConnectionError)
"""Discord failed or could not be reached, so that the same may be tried again."""

UNSENT = (discord.HTTPException, discord.RateLimited, *UNREACHED)
"""Whatever kept a request from being carried out, Discord's refusal included."""

_PAUSES = (1.0, 3.0, 9.0)  # seconds before each further attempt


_OLD_EDITED = 30046  # Discord's code: a message over an hour old was edited too often


def unreached(error: BaseException) -> bool:
    """Whether the same may well be carried out when it is tried again.

    So it is with a 429 that discord.py gave up on: the network in front of Discord turned the bot away for a while.
    Edits of an old message are another matter, for their limit is a long one.
    """
    if isinstance(error, discord.HTTPException) and error.status == 429:
        return error.code != _OLD_EDITED
    return isinstance(error, UNREACHED)


async def with_retry(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make an attempt, and repeat it where Discord was not reached. Raises what the last attempt raised."""
    for pause in _PAUSES:
        try:
            return await attempt()
        except UNSENT as error:
            if not unreached(error):
                raise
        await asyncio.sleep(pause)
    return await attempt()


def nonce_of(channel_id: int, *purpose: object) -> str:
    """The number of a message with this purpose in this channel: 24 characters, where Discord takes 25."""
    return hashlib.blake2b(repr((channel_id, *purpose)).encode(), digest_size=12).hexdigest()
