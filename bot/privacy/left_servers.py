"""Servers that the bot has left: their data is kept for some days, in case it returns, then deleted.

The store does the work; this decides when, and in what portions. Knows no Discord objects, only ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta

from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["LeftServers"]

_log = logging.getLogger(__name__)
_PAUSE_S = 0.05  # between two batches, for a process that waits to write


class LeftServers:
    """One for a client.

    Args:
        store: what is kept of servers.
        days: how long after the bot has left; 0 keeps it for good.
        bot: the id of its application, once it has logged in. A home may be another bot's for a while.
        remove_files: deletes the files of these adapters and runs.
    """

    def __init__(
        self,
        store: AsyncStore,
        days: float,
        remove_files: Callable[[Collection[str]], Awaitable[None]],
        bot: Callable[[], int],
    ) -> None:
        self._store, self._days, self._remove_files, self._bot = store, days, remove_files, bot

    async def left(self, guild_id: int) -> None:
        """The bot was removed from a server, or has left it."""
        await self._store.call(Store.left_servers, [guild_id])
        if self._days:
            _log.info("The bot has left server %d, whose data is deleted in %g days", guild_id, self._days)

    async def here(self, guild_ids: Collection[int]) -> None:
        """The bot is on these servers: nothing of them is deleted."""
        await self._store.call(Store.returned_to_servers, guild_ids, self._bot())

    async def compare(self, present: Collection[int], mine: Callable[[int], bool]) -> None:
        """See which servers the bot left, or returned to, while it was offline.

        Args:
            present: the servers that it is on, reachable or not.
            mine: whether this process would be told of a server; others are another process's.
        """
        joined = await self._store.read(Store.joined_servers, self._bot())
        await self.here(present)
        if gone := sorted(one for one in joined if one not in present and mine(one)):
            await self._store.call(Store.left_servers, gone)
            _log.info("The bot has left %d servers while it was offline", len(gone))

    async def delete_due(self, now: datetime | None = None) -> list[int]:
        """Delete what is kept of servers that were left so long ago; returns these. Files go first."""
        if not self._days:
            return []
        before = ((now or datetime.now(UTC)) - timedelta(days=self._days)).isoformat(timespec="milliseconds")
        deleted = []
        while due := await self._store.call(Store.servers_to_delete, before):  # anew: it may have returned to the next
            guild_id, files = next(iter(due.items()))
            await self._remove_files(files)
            step = await self._store.call(Store.delete_server, guild_id)
            while not step.done:
                await asyncio.sleep(_PAUSE_S)
                step = await self._store.call(Store.delete_server, guild_id)
            _log.info("The data of server %d was deleted, %g days after the bot left it", guild_id, self._days)
            deleted.append(guild_id)
        return deleted
