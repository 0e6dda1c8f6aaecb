"""Watches training runs that this bot did not start, or whose end it did not see.

A trainer outlives a bot that was killed, and `nightshift train` can run next to one. While somebody holds the lock,
a run is under way; when one ends, it is reported once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable

from bot.i18n.en import moderation as words
from storage.async_store import AsyncStore
from storage.files.home import Home
from storage.run_records import Run
from storage.store import Store
from trainer.lock import Holder, end, holder_of
from trainer.resume import can_resume, close_unfinished

__all__ = ["OtherRuns"]

_log = logging.getLogger(__name__)

_STOP_S = 15.0
"""How long a trainer may take to stop before it is killed."""
_MOST = 3
"""The newest runs that are reported when several ended unseen."""


class OtherRuns:
    """One for a bot.

    Args:
        home: where the lock is.
        store: where runs are.
        report: tells people how a run ended.
        part: the shards of this process where there are several: each tells its own servers.
    """

    def __init__(self, home: Home, store: AsyncStore, report: Callable[[Run], Awaitable[None]], part: str = "") -> None:
        self._told = f"reports of shards {part}" if part else ""
        self._home = home
        self._store = store
        self._report = report
        self._seen = False
        self._cancelled_by = ""
        self._asked_at = 0.0

    def going(self) -> Holder | None:
        """The process that trains now, if there is one."""
        return holder_of(self._home.runs / "lock")

    def cancel(self, actor: str) -> bool:
        """Ask the trainer to stop and not resume; False when there is none."""
        holder = self.going()
        if holder is None or not end(holder, signal.SIGTERM):
            return False
        self._seen, self._cancelled_by, self._asked_at = True, actor, time.monotonic()
        return True

    async def look(self) -> None:
        """Check on the run; to be called every few seconds while this bot trains nothing itself."""
        holder = await asyncio.to_thread(self.going)
        if holder is not None:
            self._seen = True
            late = self._cancelled_by and time.monotonic() - self._asked_at > _STOP_S
            if holder.hangs or late:
                _log.error("The training process %s hangs and is ended", holder.pid)
                end(holder, signal.SIGKILL)
            return
        if self._cancelled_by:
            reason = words.cancelled_by(self._cancelled_by)
            await self._store.call(close_unfinished, self._home, reason)
        elif self._seen:
            await self._store.call(_close_dead, self._home)
        self._seen, self._cancelled_by = False, ""
        runs = await self._store.call(_untold, self._told)
        for run in runs[-_MOST:]:
            await self._report(run)
        for run in runs:
            await self.told(run.id)

    async def told(self, run_id: str) -> None:
        """People were told how this run ended."""
        await self._store.call(Store.mark_reported, run_id)
        if self._told:
            await self._store.call(Store.set_state, self._told, run_id)


def _untold(store: Store, told: str) -> list[Run]:
    """Runs that ended and that nobody here was told of. `told`: the name under which a process keeps the last one."""
    if not told:
        return store.unreported_runs()
    last = store.state(told)
    if last is None:  # its first start: what ended before is no news
        newest = next((run.id for run in store.runs(limit=50) if run.outcome is not None), "")
        store.set_state(told, newest)
        return []
    return store.nights_since(last)


def _close_dead(store: Store, home: Home) -> None:
    """Close the run of a trainer that died, unless it resumes at the next start."""
    run = store.last_run()
    if run is not None and run.outcome is None and not can_resume(home, run.id):
        store.finish_run(run.id, "failed", "The training process ended without a result; nothing was published.")
