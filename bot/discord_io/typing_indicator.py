"""The sign of life before the first word: "typing" is shown where answers are being written.

One for each channel, however many answers are under way there. Knows how to show it, not what is being written. The
sign is a nicety: that it cannot be shown, or takes long, keeps nobody from an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import discord

__all__ = ["TypingIndicator"]

_log = logging.getLogger(__name__)
_AGAIN = 5.0  # seconds; Discord shows it for ten
_MOMENT = 0.3  # seconds that an answer waits for it, so that it is seen before the first word
_PAUSE = 1.0  # seconds before it is shown again to those who waited when a message of the bot's ended it


@dataclass
class _Desk:
    """A channel where answers are being written."""

    channel: Any
    answers: int = 0
    keeper: asyncio.Task[None] | None = None
    shown: bool = False
    shown_at: float = 0.0
    tried: asyncio.Event = field(default_factory=asyncio.Event)


class TypingIndicator:
    """`async with typing_indicator.at(channel):` shows that the bot types there until the block ends."""

    def __init__(self) -> None:
        self._desks: dict[int, _Desk] = {}

    @asynccontextmanager
    async def at(self, channel: Any) -> AsyncIterator[None]:
        desk = self._desks.setdefault(channel.id, _Desk(channel))
        desk.answers += 1
        try:
            if not desk.shown:
                self._keep(desk, 0.0)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(desk.tried.wait(), _MOMENT)
            yield
        finally:
            desk.answers -= 1
            if not desk.answers:
                self._desks.pop(channel.id, None)
                if desk.keeper is not None:
                    desk.keeper.cancel()

    def spoke(self, channel_id: int) -> None:
        """The bot sent a message there, which ends the sign for everybody who still waits."""
        desk = self._desks.get(channel_id)
        if desk is not None:
            desk.shown = False
            self._keep(desk, max(0.0, desk.shown_at + _PAUSE - time.monotonic()))

    def _keep(self, desk: _Desk, pause: float) -> None:
        if desk.keeper is not None:
            desk.keeper.cancel()
        desk.tried.clear()
        desk.keeper = asyncio.create_task(_keep(desk, pause))


async def _keep(desk: _Desk, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        try:
            await _show(desk)
        except discord.Forbidden:  # and so it will be next time
            _log.info("May not show the typing sign in channel %s", desk.channel.id)
            return
        except Exception:  # noqa: BLE001  (whatever it was, the answer goes on)
            _log.info("Could not show the typing sign in channel %s", desk.channel.id, exc_info=True)
        finally:
            desk.tried.set()
        pause = _AGAIN


async def _show(desk: _Desk) -> None:
    desk.shown, desk.shown_at = True, time.monotonic()
    try:
        await desk.channel.typing()
    except BaseException:
        desk.shown = False
        raise
