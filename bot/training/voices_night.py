"""The night where each server has a voice of its own: one server trains after another, until the night is over."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from bot.settings import Settings
from storage.async_store import AsyncStore
from storage.store import Store
from trainer.night_queue import Night, begin, work_through
from trainer.voices import planned

__all__ = ["train_voices"]

_log = logging.getLogger(__name__)


async def train_voices(
    store: AsyncStore,
    settings: Settings,
    local_date: str,
    train: Callable[[int], Awaitable[object]],
    may: Callable[[], Awaitable[bool]],
) -> None:
    """Train the servers with enough news, by `train`; what does not fit the night goes first the next one.

    It ends after a run at which another process runs the nights, as `may` says.
    """

    def start(held: Store) -> Night:
        return begin(held, local_date, datetime.now(UTC), partial(planned, held, settings))

    night = await store.call(start)
    _log.info("The night of %s: %d servers have enough to learn", local_date, len(night.left))
    night = await work_through(store, night, settings.schedule.night_hours, train, may=may)
    if night.left:
        _log.info("%d servers are left for the next night", len(night.left))
