"""The composition: store, engine, schedule and Discord client, opened together and closed together.

The only module that knows all parts. Bot and trainer meet only in the store and the adapter directory.
`sync_adapter` makes the engine answer with the store's champion.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Self

from bot.api.adapters import KEPT_FREE
from bot.backups import Backups
from bot.chat.engine_supervision import EngineSupervisor
from bot.chat.generation import in_use
from bot.client import NightshiftClient, ShardedClient
from bot.health_file import Health, HealthFile
from bot.lead import Lead
from bot.monitoring.snapshot import RecentFigures, Snapshot
from bot.recall.memory import Memory
from bot.services import Services
from bot.settings import Settings
from bot.training.adapter_in_use import AdapterInUse
from bot.training.held_adapters import HeldAdapters
from bot.training.operations import Status
from bot.training.runs import Train, TrainingRuns, train_in_own_process
from bot.training.status import status_of
from bot.training.voices import ServerVoices
from model.engines import start_engine
from model.protocol import ChatEngine, SwapReport
from storage.async_store import AsyncStore
from storage.audit_records import Act
from storage.database import check_database
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.files.home_lock import occupy
from storage.store import Store
from trainer.schedule import Nightly

__all__ = ["Nightshift"]

_log = logging.getLogger(__name__)


class Nightshift:
    """A running bot. `client` is its Discord side, to be connected by the code that opened this."""

    def __init__(
        self, home: Home, settings: Settings, engine: ChatEngine, store: AsyncStore, *, train: Train, services: Services
    ) -> None:
        self.home, self.settings = home, settings
        self.engine, self.store = engine, store
        self.services, self._figures = services, RecentFigures(store)
        self._adapter_in_use = AdapterInUse(
            engine, store, AdapterDirectory(home.adapters), self._announce, self.services.swapped
        )
        free = 1 if settings.voices == "server" else KEPT_FREE
        self._held = HeldAdapters(engine, AdapterDirectory(home.adapters), settings.model.adapter_slots - free)
        self._voices = (
            ServerVoices(self._held, store, self._announce_on, settings.shards.serve)
            if settings.voices == "server"
            else None
        )
        self.lead = Lead(store, settings.shards)
        self.runs = TrainingRuns(
            home,
            settings,
            engine,
            store,
            train=train,
            speaker=lambda: self.client,
            sync=self._sync_all,
            leads=self.lead.held,
        )
        self._scheduled = False
        self.memory = Memory(store, settings)
        self._nightly = Nightly(settings.schedule, self.runs.nights, self.runs.tonight, self.lead.held)
        self.client = self.new_client()
        self.supervisor = EngineSupervisor(engine, self._announce, restarted=self.sync_adapter)
        self.backups = Backups(home, settings.backup, self._announce, self.lead.held)
        self.health_file = HealthFile(home.part(settings.shards.part).health, self.health)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Home,
        settings: Settings,
        *,
        engine: ChatEngine | None = None,
        schedule: bool = False,
        train: Train = train_in_own_process,
    ) -> AsyncIterator[Self]:
        """Open all parts; on leaving, close them in the reverse order, the client included.

        Args:
            home: the state directory, already `ensure`d.
            settings: the bot's settings.
            engine: an engine to use instead of the one that the settings name; it is closed with the rest.
            schedule: whether nightly runs are started.
            train: how a training run is started, instead of `trainer.launch.run_training`.

        Raises:
            HomeOccupied, ShardOccupied, ShardsDiffer: another bot runs on this home.
            StorageError, ModelError, ScheduleInvalid, KeyUnusable, PortUnavailable, MetricsNotInstalled: a part cannot
                be opened; nothing is left open.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(occupy(home, settings.shards.count, settings.shards.ids))
            services = Services(home, settings)  # what is wrong with them is said before an engine starts
            if home.db.exists():
                await asyncio.to_thread(check_database, home.db)
            store = await AsyncStore.open(home.db)
            stack.push_async_callback(store.close)
            if engine is None:
                engine = await start_engine(settings.model, settings.engine, home.models)
            stack.push_async_callback(engine.close)
            app = cls(home, settings, engine, store, train=train, services=services)
            stack.push_async_callback(app._close)
            app.supervisor.start()
            app.lead.start()
            app.health_file.start()
            stack.callback(app.health_file.stop)
            app.backups.start()
            stack.callback(app.backups.stop)
            await app.sync_adapter()
            serving = services.serving(engine, store, app.health, app.snapshot, app._held)
            await stack.enter_async_context(serving)
            if schedule:
                app._nightly.start(datetime.fromisoformat(await store.call(Store.first_start)))
                app._scheduled = True
            yield app

    def new_client(self) -> NightshiftClient:
        """A fresh Discord client on the same parts, as after a restart; it becomes `client`."""
        observe = self.services.observer("discord")
        voice = self._voices.answering if self._voices is not None else in_use
        kind = ShardedClient if self.settings.shards.count else NightshiftClient
        self.client = kind(
            self.engine, self.store, self.settings, self, self.memory, lead=self.lead, voice=voice, observe=observe
        )
        return self.client

    async def _announce(self, text: Callable[[], str]) -> bool:
        """Tell every review channel; False where the bot is on no server yet."""
        await self.client.announce(text)
        return bool(self.client.guilds)

    async def _announce_on(self, guild_id: int, text: Callable[[], str]) -> bool:
        """Tell the review channel of one server."""
        guild = self.client.get_guild(guild_id)
        return guild is not None and await self.client.announce(text, guild=guild)

    async def sync_adapter(self) -> SwapReport | None:
        """Answer with the store's champion from now on, see `AdapterInUse.sync`."""
        return await self._adapter_in_use.sync()

    async def look(self) -> None:
        """See what another process changed: the champion, and training. Called every few seconds."""
        await self._sync_all()
        await self.services.look()
        await self.runs.look()

    async def _sync_all(self) -> bool:
        """Answer with what the store says now, the servers' own voices included; whether an adapter was swapped."""
        swapped = await self.sync_adapter() is not None
        own = self._voices is not None and bool(await self._voices.look())
        return swapped or own

    async def use(
        self, adapter: str | None, *, actor: str, reason: str, act: Act | None = None, server: int | None = None
    ) -> None:
        """Answer with an adapter from now on and make it champion, see `AdapterInUse.use` and `ServerVoices.use`."""
        if self._voices is not None and server is not None:
            await self._voices.use(server, adapter, actor=actor, reason=reason, act=act)
            return
        await self._adapter_in_use.use(adapter, actor=actor, reason=reason, act=act)

    async def rollback(
        self,
        *,
        actor: str,
        reason: str,
        act: Callable[[str | None], Act] | None = None,
        server: int | None = None,
    ) -> str | None:
        """Go back to the adapter before this one and return its id, see `AdapterInUse.rollback`."""
        if self._voices is not None and server is not None:
            return await self._voices.rollback(server, actor=actor, reason=reason, act=act)
        return await self._adapter_in_use.rollback(actor=actor, reason=reason, act=act)

    async def status(self, server: int | None = None) -> Status:
        """What the bot is doing at this moment; of a `server` with a voice of its own, what concerns that."""
        return await status_of(
            self.store, self.settings, self.engine.stats(), server, training=self.runs.going, next_run=self._next_run()
        )

    def _next_run(self) -> datetime | None:
        return self._nightly.next_run() if self._scheduled else None

    async def remove_files(self, names: Collection[str]) -> None:
        """Delete the files of these adapters and runs, of a server that is gone."""
        await asyncio.to_thread(_remove_files, self.home, names)

    def health(self) -> Health:
        """How the bot is at this moment."""
        stats = self.engine.stats()
        return Health.now(connected=self.client.is_ready(), failure=stats.failure, asleep=stats.asleep)

    async def snapshot(self) -> Snapshot:
        """What a monitor is told of this moment."""
        return Snapshot(
            engine=self.engine.stats(),
            figures=await self._figures.get(),
            connected=self.client.is_ready(),
            latency_s=self.client.latency,
            servers=len(self.client.guilds),
            training=self.runs.going,
            next_run=self._next_run(),
        )

    async def _close(self) -> None:
        await self.supervisor.stop()
        nightly, run = self._nightly.close(), self.runs.stop()
        # Together, since a container gives 10 s for all of it.
        parts = filter(None, [run, None if self.client.is_closed() else self.client.close(), nightly])
        ended = await asyncio.gather(*parts, return_exceptions=True)
        await self.memory.close()
        await self.lead.close()
        for error in ended:
            if isinstance(error, Exception):
                _log.error("A part could not be closed properly", exc_info=error)


def _remove_files(home: Home, names: Collection[str]) -> None:
    AdapterDirectory(home.adapters).remove(names)
    for name in names:
        shutil.rmtree(home.runs / name, ignore_errors=True)
