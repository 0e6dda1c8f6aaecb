"""Work in the background that may fail: each failure is logged, and the first in a row is announced."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from bot.i18n.en import texts

__all__ = ["BackgroundTask"]

_log = logging.getLogger(__name__)


class BackgroundTask:
    """One kind of work that is done again and again. A failure never ends what repeats it.

    Args:
        name: a key of `texts.BACKGROUND`.
        work: done by each call.
        announce: tells the operator; returns whether anybody could be told.
    """

    def __init__(
        self, name: str, work: Callable[[], Awaitable[Any]], announce: Callable[[Callable[[], str]], Awaitable[bool]]
    ) -> None:
        self._name, self._work, self._announce = name, work, announce
        self._told = False

    async def __call__(self) -> None:
        try:
            await self._work()
        except Exception:  # noqa: BLE001 - a loop that dies would never try again
            _log.exception("In the background: %s failed", self._name)
            await self._tell()
        else:
            self._told = False

    async def _tell(self) -> None:
        if self._told:
            return
        try:
            self._told = await self._announce(lambda: texts.background_failed(self._name))
        except Exception:  # noqa: BLE001 - told the next time
            _log.exception("The failure of %s could not be announced", self._name)
