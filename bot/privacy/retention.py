"""Removes words from the store: deleted messages at once, and after some days what nobody reviewed or consented to.

The store does the work; this decides when, and in what portions. Knows no Discord objects, only ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["DeletedMessages", "apply_retention"]

_log = logging.getLogger(__name__)
_REMEMBERED = 10_000  # messages deleted lately: an answer that is being written may still hold their words
_PAUSE_S = 0.05  # between two batches, for a process that waits to write


async def apply_retention(store: AsyncStore, days: float, now: datetime | None = None) -> int:
    """Delete replies that nobody reviewed or consented to in this many days; returns how many. 0 days: none."""
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
        _log.info("%d replies were deleted: %g days old, neither reviewed nor consented to", deleted, days)
    return deleted


class DeletedMessages:
    """Messages deleted on Discord, taken out of the store wherever they stand."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._lately: dict[int, None] = {}  # in the order they were deleted

    async def remove(self, message_ids: Iterable[int]) -> list[int]:
        """Remove these messages; returns the replies that showed them."""
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
