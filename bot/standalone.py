"""`nightshift api`: the engine with the store's champion, and the endpoint. No Discord, no schedule.

It holds the home as a bot does: a bot beside it would hold the weights a second time.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

from bot.api.endpoint import Endpoint
from bot.chat.engine_supervision import EngineSupervisor
from bot.errors import EndpointOccupied
from bot.event_loop import settle_down
from bot.loopback import HOST
from bot.settings import Settings
from bot.training.adapter_in_use import AdapterInUse
from model.engines import start_engine
from model.errors import ModelError
from model.protocol import ChatEngine
from storage.async_store import AsyncStore
from storage.database import check_database
from storage.errors import HomeOccupied, StorageError
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.files.home_lock import occupy

__all__ = ["serve_api"]

_log = logging.getLogger(__name__)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def serve_api(
    home: Home,
    settings: Settings,
    key: str,
    port: int,
    *,
    engine: ChatEngine | None = None,
    say: Callable[[str], None] = _print,
) -> None:
    """Serve until it is cancelled.

    Args:
        home: the state directory, already `ensure`d.
        settings: the bot's settings.
        key: what clients send.
        port: of this machine.
        engine: an engine to use instead of the one that the settings name; it is closed at the end.
        say: told where the endpoint is.

    Raises:
        EndpointOccupied: a bot runs on this home.
        PortUnavailable: the port is another program's.
        StorageError, ModelError: a part cannot be opened.
        EngineLost: the engine failed and could not be started again.
    """
    async with AsyncExitStack() as stack:
        try:
            stack.enter_context(occupy(home))
        except HomeOccupied as error:
            raise EndpointOccupied from error
        if home.db.exists():
            await asyncio.to_thread(check_database, home.db)
        store = await AsyncStore.open(home.db)
        stack.push_async_callback(store.close)
        if engine is None:
            engine = await start_engine(settings.model, settings.engine, home.models)
        stack.push_async_callback(engine.close)
        directory = AdapterDirectory(home.adapters)
        in_use = AdapterInUse(engine, store, directory, _announce)
        supervisor = EngineSupervisor(engine, _announce, restarted=in_use.sync)
        supervisor.start()
        stack.push_async_callback(supervisor.stop)
        endpoint = Endpoint(engine, store, directory, settings, key)
        await in_use.sync()
        await stack.enter_async_context(endpoint.serving(port))
        settle_down()
        say(f"http://{HOST}:{port}/v1 answers with {engine.adapter or 'the base model'}. Ctrl-C ends it.")
        await supervisor.guard(_keep_up(in_use, endpoint, settings.discord.poll_seconds))


async def _announce(text: Callable[[], str]) -> bool:
    """There is no channel to tell: the log is told."""
    _log.warning("%s", text())
    return True


async def _keep_up(in_use: AdapterInUse, endpoint: Endpoint, seconds: float) -> None:
    """Follow the store: its champion, and what was retired. Never ends."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await in_use.sync()
            await endpoint.adapters.drop_retired()
        except (StorageError, ModelError) as error:
            _log.error("The store could not be followed now: %s", error)
