"""What /status says: of all servers, or of one that has a voice of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.settings import Settings
from bot.training.operations import Status
from model.protocol import EngineStats
from storage.async_store import AsyncStore
from storage.store import Store
from trainer.voices import voice_of

__all__ = ["status_of"]


async def status_of(
    store: AsyncStore,
    settings: Settings,
    engine: EngineStats,
    server: int | None,
    *,
    training: bool,
    next_run: datetime | None,
) -> Status:
    """What the bot is doing at this moment, from what the engine and the store know.

    Args:
        store: knows pairs, runs and adapters.
        settings: the bot's.
        engine: its load and its adapter in use.
        server: one whose own voice is meant; None: the voice of all.
        training: whether anybody's run is in progress.
        next_run: when the next night is.
    """
    chosen = settings.training
    last = next(iter(await store.call(Store.runs_of_voice, server, 1)), None)
    if server is not None:
        engine = replace(engine, adapter=await store.call(Store.champion, server), last_swap=None)
    pairs = await store.read(
        Store.counts,
        settings.consent,
        servers=chosen.servers,
        learn_from=chosen.learn_from,
        voice=voice_of(settings, server),
    )
    own = training and (server is None or (last is not None and last.outcome is None))
    return Status(engine=engine, pairs=pairs, last_run=last, next_run=next_run, training=own)
