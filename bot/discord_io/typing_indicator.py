"""The typing indicator: Discord shows "typing" in channels where answers are being written.

A channel has one, however many answers are being written there. An answer never fails or waits long because the
indicator cannot be shown.
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
_MOMENT = 0.3  # seconds that an answer waits for it, so that it shows before the first word
_PAUSE = 1.0  # seconds before it is shown again after a message of the bot's ended it


@dataclass
class _Typing:
    """A channel where answers are being written."""

    channel: Any
    answers: int = 0
    task: asyncio.Task[None] | None = None
    shown: bool = False
    shown_at: float = 0.0
    tried: asyncio.Event = field(default_factory=asyncio.Event)


class TypingIndicator:
    """`async with typing_indicator.at(channel):` shows that the bot types there until the block ends."""

    def __init__(self) -> None:
        self._channels: dict[int, _Typing] = {}

    @asynccontextmanager
    async def at(self, channel: Any) -> AsyncIterator[None]:
        typing = self._channels.setdefault(channel.id, _Typing(channel))
        typing.answers += 1
        try:
            if not typing.shown:
                self._restart(typing, 0.0)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(typing.tried.wait(), _MOMENT)
            yield
        finally:
            typing.answers -= 1
            if not typing.answers:
                self._channels.pop(channel.id, None)
                if typing.task is not None:
                    typing.task.cancel()

    def message_sent(self, channel_id: int) -> None:
        """The bot sent a message there, which ended the indicator. Show it again if answers are still being written."""
        typing = self._channels.get(channel_id)
        if typing is not None:
            typing.shown = False
            self._restart(typing, max(0.0, typing.shown_at + _PAUSE - time.monotonic()))

    def _restart(self, typing: _Typing, pause: float) -> None:
        if typing.task is not None:
            typing.task.cancel()
        typing.tried.clear()
        typing.task = asyncio.create_task(_keep_showing(typing, pause))


async def _keep_showing(typing: _Typing, pause: float) -> None:
    while True:
        await asyncio.sleep(pause)
        try:
            await _show(typing)
        except discord.Forbidden:  # the next try would fail too
            _log.info("May not show the typing indicator in channel %s", typing.channel.id)
            return
        except Exception:  # noqa: BLE001  (the answer is written anyway)
            _log.info("Could not show the typing indicator in channel %s", typing.channel.id, exc_info=True)
        finally:
            typing.tried.set()
        pause = _AGAIN


async def _show(typing: _Typing) -> None:
    typing.shown, typing.shown_at = True, time.monotonic()
    try:
        await typing.channel.typing()
    except BaseException:
        typing.shown = False
        raise
