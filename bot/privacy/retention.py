"""Letting words go: those deleted on Discord at once, those that nobody reviewed or consented to after some days.

Both are the store's work; here is when it is asked, and in what portions. Knows no Discord objects, only numbers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["Deletions", "apply_retention"]

_log = logging.getLogger(__name__)
_REMEMBERED = 10_000  # messages deleted lately: an answer that is being written may still hold their words
_PAUSE_S = 0.05  # between two batches, for a process that waits to write


async def apply_retention(store: AsyncStore, days: float, now: datetime | None = None) -> int:
    """Delete what was neither reviewed nor consented to in this many days; gives how many replies. 0 days: nothing."""
    if not days:
        return 0
    before = ((now or datetime.now(UTC)) - timedelta(days=days)).isoformat(timespec="milliseconds")
    step = await store.call(Store.purge, before)
    deleted = step.deleted
    while not step.done:
        await asyncio.sleep(_PAUSE_S)
        step = await store.call(Store.purge, before, after=step.seen_to)
        deleted += step.deleted
    if deleted:
        _log.info("%d replies were let go: %g days old, neither reviewed nor consented to", deleted, days)
    return deleted


class Deletions:
    """Messages deleted on Discord, taken out of the store wherever they stand."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._lately: dict[int, None] = {}  # in the order they were deleted

    async def happened(self, message_ids: Iterable[int]) -> list[int]:
        """Take these messages out; gives the replies that showed them."""
        ids = list(message_ids)
        for one in ids:
            self._lately[one] = None
        while len(self._lately) > _REMEMBERED:
            del self._lately[next(iter(self._lately))]
        return await self._store.call(Store.redact_messages, ids)

    async def catch_up(self, reply_id: int) -> bool:
        """Whether words of a reply just stored were withdrawn meanwhile; of deleted messages they are taken out now."""
        reply = await self._store.call(Store.reply, reply_id)
        shown = {turn.message_id for turn in reply.turns} | {reply.message_id, reply.prompt_message_id}
        gone = [one for one in shown if one is not None and one in self._lately]
        if gone:
            await self._store.call(Store.redact_messages, gone)
        return bool(gone) or reply.redacted
