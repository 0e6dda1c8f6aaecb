"""What several processes on one database do only once: the one that holds the lease does it.

The schedule, retention and backups ask here each time. Where one process serves all servers, it always leads, and
nothing is written.
"""

from __future__ import annotations

import logging
import os
import uuid

from bot.shards import Shards
from storage import leases
from storage.async_store import AsyncStore
from storage.errors import StorageError
from storage.store import Store

__all__ = ["Lead"]

_log = logging.getLogger(__name__)
_NAME = "lead"


class Lead:
    """One for a process."""

    def __init__(self, store: AsyncStore, shards: Shards) -> None:
        from discord.ext import tasks

        self._store = store
        self._alone = not shards.part
        self._who = f"shards {shards.part}, process {os.getpid()}, {uuid.uuid4().hex[:8]}"
        self._held = False
        self._loop = tasks.loop(seconds=leases.BEAT_S)(self._beat)

    async def held(self) -> bool:
        """Whether this process leads at this moment; it takes the lease where nobody does."""
        if self._alone:
            return True
        try:
            held = await self._store.call(Store.take_lease, _NAME, self._who)
        except StorageError as error:
            _log.warning("The lease cannot be renewed now: %s", error)
            held = False
        if held != self._held:
            _log.info("This process %s what is done once", "does from now on" if held else "does no longer")
        self._held = held
        return held

    def start(self) -> None:
        """Renew the lease, or look for it, again and again. Needs a running event loop."""
        if not self._alone:
            self._loop.start()

    async def close(self) -> None:
        """Stop, and let another process lead at once."""
        self._loop.cancel()
        if self._held:
            self._held = False
            try:
                await self._store.call(Store.give_back_lease, _NAME, self._who)
            except StorageError as error:
                _log.warning("The lease was not given back, and ends by itself: %s", error)

    async def _beat(self) -> None:
        await self.held()
