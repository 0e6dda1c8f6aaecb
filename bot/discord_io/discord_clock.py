"""The time by which retention is reckoned: never later than Discord's own clock.

A host whose clock is a year ahead would take every stored reply for a year old. Discord's answers carry the time, so
the bot need not believe its host alone.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import aiohttp

__all__ = ["DiscordClock"]

_log = logging.getLogger(__name__)
_NOTEWORTHY = timedelta(minutes=2)


class DiscordClock:
    """Learns the time from the answers of Discord's HTTP interface; until the first, the host's holds."""

    def __init__(self) -> None:
        self._told: tuple[datetime, float] | None = None  # Discord's time, and the monotonic clock then
        self._said = False

    def listen(self, trace: aiohttp.TraceConfig) -> None:
        """Read the time from the answers to the requests of this trace."""
        trace.on_request_end.append(self._ended)

    def now(self) -> datetime:
        """The earlier of the host's time and Discord's."""
        ours = datetime.now(UTC)
        if self._told is None:
            return ours
        moment, then = self._told
        return min(ours, moment + timedelta(seconds=time.monotonic() - then))

    def heard(self, date: str) -> None:
        """Discord's answer carried this time, in the words of HTTP."""
        try:
            moment = parsedate_to_datetime(date)
        except ValueError:
            return
        self._told = moment, time.monotonic()
        off = datetime.now(UTC) - moment
        if abs(off) > _NOTEWORTHY and not self._said:
            self._said = True
            _log.warning("This machine's clock differs from Discord's by %s: set it", off)

    async def _ended(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        if date := params.response.headers.get("Date"):
            self.heard(date)
