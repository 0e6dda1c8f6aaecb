"""The composition: store, engine, schedule and Discord client, opened together and closed together.

The one place that knows all parts. Bot and trainer meet only in the store and the adapter directory; here is where
the bot looks there: `sync_adapter` makes the engine answer with whatever the store says is champion.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol, Self

import discord

from bot import texts
from bot.client import NightshiftClient
from bot.errors import TrainingUnderway
from bot.moderation import texts as words
from bot.operations import Status
from bot.room import room_for_training
from bot.settings import Settings
from bot.supervision import EngineSupervisor
from model.errors import EngineClosed, EngineFailed, ModelError, OutOfMemory
from model.protocol import AdapterRef, ChatEngine, SwapReport
from storage.adapters import AdapterDirectory
from storage.database import check_database
from storage.errors import DatabaseDamaged, StorageError
from storage.home import Home
from storage.occupancy import occupy
from storage.store import Store
from storage.writer import AsyncStore
from trainer.result import RunResult
from trainer.resumption import close_for_good
from trainer.schedule import Nightly

__all__ = ["Nightshift"]

_log = logging.getLogger(__name__)


class Train(Protocol):
    """How a training run is started; `trainer.launch.run_training` is one."""

    def __call__(self, home: Path, *, force: bool, trigger: str, local_date: str | None) -> Awaitable[RunResult]: ...


async def _in_a_process_of_its_own(home: Path, *, force: bool, trigger: str, local_date: str | None) -> RunResult:
    from trainer.launch import run_training

    return await run_training(home, force=force, trigger=trigger, local_date=local_date)


class Nightshift:
    """A running bot. `client` is its Discord side, to be connected by whoever opened this."""

    def __init__(self, home: Home, settings: Settings, engine: ChatEngine, store: AsyncStore, train: Train) -> None:
        self.home = home
        self.settings = settings
        self.engine = engine
        self.store = store
        self._train = train
        self._adapters = AdapterDirectory(home.adapters)
        self._swapping = asyncio.Lock()
        self._refused_promotion: int | None = None
        self._run_task: asyncio.Future[RunResult] | None = None
        self._cancelled_by = ""  # who stopped the run that is going on
        self._scheduled = False
        self._nightly = Nightly(settings.schedule, self._nights, self._tonight)
        self.client = self.new_client()
        self.supervisor = EngineSupervisor(engine, self._announce, restarted=self.sync_adapter)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        home: Home,
        settings: Settings,
        *,
        engine: ChatEngine | None = None,
        schedule: bool = False,
        train: Train = _in_a_process_of_its_own,
    ) -> AsyncIterator[Self]:
        """Open all parts; on leaving, close them in the reverse order, the client included.

        Args:
            home: the state directory, already `ensure`d.
            settings: the bot's settings.
            engine: an engine to use instead of the local one; it is closed with the rest.
            schedule: whether nightly runs are started.
            train: how a training run is started, instead of `trainer.launch.run_training`.

        Raises:
            HomeOccupied: another bot runs on this home.
            StorageError, ModelError, ScheduleInvalid: a part cannot be opened; nothing is left open.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(occupy(home))
            if home.db.exists():
                await asyncio.to_thread(check_database, home.db)
            store = await AsyncStore.open(home.db)
            stack.push_async_callback(store.close)
            if engine is None:
                from model.engine import Engine  # torch is only for who needs it

                engine = await Engine.start(settings.model, home.models)
            stack.push_async_callback(engine.close)
            app = cls(home, settings, engine, store, train)
            stack.push_async_callback(app._close)
            app.supervisor.start()
            await app.sync_adapter()
            if schedule:
                app._start_nightly()
            yield app

    def _start_nightly(self) -> None:
        self._nightly.start()
        self._scheduled = True

    def new_client(self) -> NightshiftClient:
        """A fresh Discord client on the same parts, as after a restart; it becomes `client`."""
        self.client = NightshiftClient(self.engine, self.store, self.settings, self)
        return self.client

    async def _announce(self, text: Callable[[], str]) -> None:
        await self.client.announce(text)

    @property
    def training(self) -> bool:
        """Whether a training run that this bot started is going on."""
        return self._run_task is not None

    async def sync_adapter(self) -> SwapReport | None:
        """Answer with the store's champion from now on, if that is not so already, and tell the review channels.

        An adapter that cannot be used is announced once and leaves the one in use; it is tried again when a new
        promotion names it.
        """
        async with self._swapping:
            champion, promotion = await self.store.call(_champion)
            if champion == self.engine.adapter or promotion == self._refused_promotion:
                return None
            try:
                if champion is not None:
                    await asyncio.to_thread(self._adapters.verify, champion)
                    ref = AdapterRef(champion, self._adapters.path(champion))
                report = await self.engine.swap(ref if champion is not None else None)
            except (EngineFailed, EngineClosed, OutOfMemory) as error:  # not the adapter's fault: tried again
                _log.error("The champion %s cannot be used now: %s", champion, error)
                return None
            except (StorageError, ModelError) as error:
                _log.error("The champion %s cannot be used: %s", champion, error)
                if self.client.guilds:  # else nobody heard it: tried again when there is somebody to tell
                    self._refused_promotion = promotion
                why = str(error)
                await self.client.announce(lambda: texts.adapter_refused(champion, why))
                return None
            _log.info("%s answers from now on (%.0f ms)", champion or "the base model", report.pause_s * 1000)
            if history := await self.store.call(Store.promotions):
                latest, pause_ms = history[-1], report.pause_s * 1000
                await self.client.announce(
                    lambda: texts.adapter_changed(champion, latest.kind, latest.reason, pause_ms)
                )
            return report

    async def train_now(
        self,
        *,
        force: bool = False,
        trigger: str = "manual",
        actor: str = "",
        guild: discord.Guild | None = None,
        local_date: str | None = None,
    ) -> RunResult:
        """Make one training run and put its outcome to use. Its end is announced in `guild`, or everywhere.

        `local_date` is the night it counts for, today's where None.

        Raises:
            TrainingUnderway: this bot is training already.
        """
        if self._run_task is not None:
            raise TrainingUnderway
        _log.info("Training run started (%s %s)", trigger, actor)
        self._cancelled_by = ""
        self._run_task = asyncio.ensure_future(self._train_in_room(force=force, trigger=trigger, local_date=local_date))
        try:
            result = await self._run_task
        except asyncio.CancelledError:
            if not self._cancelled_by:
                raise
            result = RunResult(None, "failed", words.cancelled_by(self._cancelled_by))
            await self.store.call(close_for_good, self.home, result.reason)  # not to be gone on with at the next start
        finally:
            self._run_task = None
        await self.store.call(Store.erase, at_most=None)  # at night a large file may take its time
        _log.info("Training run %s: %s (%s)", result.run, result.outcome, result.reason)
        swapped = await self.sync_adapter() is not None
        reported = await self.client.morning.post(result.run, [guild] if guild else self.client.guilds)
        if not swapped and not reported:
            await self.client.announce(lambda: texts.training_ended(result.outcome, result.reason), guild=guild)
        return result

    async def _train_in_room(self, *, force: bool, trigger: str, local_date: str | None) -> RunResult:
        async with room_for_training(self.engine, self.settings, self.home):
            return await self._train(self.home.root, force=force, trigger=trigger, local_date=local_date)

    def cancel_training(self, *, actor: str) -> bool:
        """Stop the run that is going on for good; it ends as failed, with who stopped it. False when there is none."""
        if self._run_task is None:
            return False
        self._cancelled_by = actor
        self._run_task.cancel()
        return True

    async def use(self, adapter: str | None, *, actor: str, reason: str) -> None:
        """Make an adapter (None: the base model) champion. Raises AdapterMissing, AdapterRetired, AdapterDamaged."""
        if adapter is not None:
            await asyncio.to_thread(self._adapters.verify, adapter)
        await self.store.call(Store.promote, adapter, kind="use", actor=actor, reason=reason)

    async def rollback(self, *, actor: str, reason: str) -> str | None:
        """Make the adapter before this one champion again; gives its id. Raises NothingToRollBack."""
        return (await self.store.call(Store.rollback, actor=actor, reason=reason)).adapter

    async def status(self) -> Status:
        """What the bot is doing at this moment."""
        return Status(
            engine=self.engine.stats(),
            pairs=await self.store.look(Store.counts, self.settings.consent, servers=self.settings.training.servers),
            last_run=await self.store.call(Store.last_run),
            next_run=self._nightly.next_run() if self._scheduled else None,
            training=self.training,
        )

    async def _nights(self) -> list[str]:
        return await self.store.call(Store.nights)

    async def _tonight(self, local_date: str) -> None:
        try:
            await asyncio.to_thread(check_database, self.home.db, thorough=True)
            await self.train_now(trigger="schedule", local_date=local_date)
        except DatabaseDamaged as error:
            _log.error("No training tonight: %s", error)
            await self._announce(lambda: words.DATABASE_DAMAGED)
        except TrainingUnderway:
            raise
        except Exception:
            await self._announce(lambda: texts.background_failed("night"))
            raise

    async def _close(self) -> None:
        await self.supervisor.stop()
        self._nightly.shutdown()
        run = self._run_task
        if run is not None:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
        if not self.client.is_closed():
            await self.client.close()


def _champion(store: Store) -> tuple[str | None, int]:
    return store.champion(), store.last_promotion_id()
