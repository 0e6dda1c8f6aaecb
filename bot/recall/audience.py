"""Who reads an answer, and so from which channels it may be shown something.

The asker must be able to read a channel, and so must everybody who sees the answer. Asked of Discord each time.
"""

from __future__ import annotations

from typing import Any

import discord

from bot.discord_io.ids import places_of
from bot.server.readers import Readers

__all__ = ["Audience"]


class Audience:
    """The readers of one answer, given by who asks and the channel it is posted in."""

    def __init__(self, readers: Readers, asker: discord.abc.User, channel: Any) -> None:
        self._readers = readers
        self._asker = asker
        self._channel = channel
        self._known: dict[int, bool] = {}

    async def may_be_shown(self, channel_id: int) -> bool:
        """Whether they all can read what was said in a channel or thread."""
        if channel_id not in self._known:
            self._known[channel_id] = await self._ask(channel_id)
        return self._known[channel_id]

    async def _ask(self, channel_id: int) -> bool:
        if channel_id in places_of(self._channel):  # a thread's readers see its channel
            return True
        if isinstance(self._asker, discord.Member) and not await self._readers.may_read(self._asker, channel_id):
            return False
        # A thread's readers are among those of its channel.
        above = self._channel.parent if isinstance(self._channel, discord.Thread) else self._channel
        return above is not None and await self._readers.all_read(above, channel_id)
