"""The sign of life before the first word: "typing" is shown where answers are being written.

One for each channel, however many answers are under way there. Knows how to show it, not what is being written.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import discord

__all__ = ["Typist"]

_log = logging.getLogger(__name__)
_AGAIN = 5.0  # seconds; Discord shows it for ten
_AT_ONCE = 1.0  # within so many seconds of the last time, a further question needs no sign of its own


@dataclass
class _Desk:
    """A channel where answers are being written."""

    answers: int
    keeper: asyncio.Task[None] | None = None
    shown_at: float = 0.0


class Typist:
    """`async with typist.at(channel):` shows that the bot types there until the block ends."""

    def __init__(self) -> None:
        self._desks: dict[int, _Desk] = {}

    @asynccontextmanager
    async def at(self, channel: Any) -> AsyncIterator[None]:
        """Raises discord.HTTPException when Discord does not let the bot write there."""
        desk = self._desks.setdefault(channel.id, _Desk(0))
        desk.answers += 1
        try:
            # A message that the bot sends ends the sign for everybody, so a new question gets it again.
            if desk.answers == 1 or time.monotonic() - desk.shown_at >= _AT_ONCE:
                desk.shown_at = time.monotonic()
                await channel.typing()
            if desk.keeper is None:
                desk.keeper = asyncio.create_task(_keep(channel))
            yield
        finally:
            desk.answers -= 1
            if not desk.answers:
                self._desks.pop(channel.id, None)
                if desk.keeper is not None:
                    desk.keeper.cancel()


async def _keep(channel: Any) -> None:
    while True:
        await asyncio.sleep(_AGAIN)
        try:
            await channel.typing()
        except discord.HTTPException:
            _log.info("Could not show the typing sign in channel %s", channel.id, exc_info=True)
