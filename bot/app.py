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

from bot.chat.engine_supervision import EngineSupervisor
from bot.client import NightshiftClient
from bot.errors import Refused, TrainingUnderway
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.settings import Settings
from bot.training.gpu_memory import share_gpu_memory
from bot.training.operations import Status
from bot.training.other_runs import OtherRuns
from model.errors import AdapterMismatch, EngineClosed, EngineFailed, ModelError, OutOfMemory
from model.protocol import AdapterRef, ChatEngine, SwapReport
from storage.async_store import AsyncStore
from storage.database import check_database
from storage.errors import AdapterDamaged, AdapterMissing, AdapterRetired, DatabaseDamaged, StorageError
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.files.home_lock import occupy
from storage.records import Act, Promotion, Run
from storage.store import Store
from trainer.result import RunResult
from trainer.resume import close_for_good
from trainer.schedule import Nightly

__all__ = ["Nightshift"]

_log = logging.getLogger(__name__)
_WAIT_S = 10.0


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
        self._attending = False  # from the start of a run of ours until people were told how it ended
        self._others = OtherRuns(home, store, self._tell)
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
        """Whether a training run is going on, whoever started it."""
        return self._run_task is not None or self._others.going() is not None

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
                report = await self.engine.swap(await self._whole(champion))
            except (EngineFailed, EngineClosed, OutOfMemory) as error:  # not the adapter's fault: tried again
                _log.error("The champion %s cannot be used now: %s", champion, error)
                return None
            except (StorageError, ModelError) as error:
                _log.error("The champion %s cannot be used: %s", champion, error)
                if self.client.guilds:  # else nobody heard it: tried again when there is somebody to tell
                    self._refused_promotion = promotion
                why, answering = _why(error), self.engine.adapter
                await self.client.announce(lambda: texts.adapter_refused(champion, why, answering))
                return None
            _log.info("%s answers from now on (%.0f ms)", champion or "the base model", report.pause_s * 1000)
            if history := await self.store.call(Store.promotions):
                latest, pause_ms = history[-1], report.pause_s * 1000
                await self.client.announce(
                    lambda: texts.adapter_changed(champion, latest.kind, latest.reason, pause_ms)
                )
            return report

    async def look(self) -> None:
        """What another process may have changed: the champion, and training. To be called every few seconds."""
        await self.sync_adapter()
        if not self._attending and self.client.guilds:
            await self._others.look()

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
        if self._attending or self.training:
            raise TrainingUnderway
        self._attending = True
        try:
            return await self._attended(force=force, trigger=trigger, actor=actor, guild=guild, local_date=local_date)
        finally:
            self._attending = False

    async def _attended(
        self, *, force: bool, trigger: str, actor: str, guild: discord.Guild | None, local_date: str | None
    ) -> RunResult:
        """Make a run and tell people how it ended."""
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
        reported = await self.client.reports.post(result.run, [guild] if guild else self.client.guilds)
        if not swapped and not reported:
            await self.client.announce(lambda: texts.training_ended(result.outcome, result.reason), guild=guild)
        if result.run is not None:
            await self.store.call(Store.mark_reported, result.run)
        return result

    async def _tell(self, run: Run) -> None:
        """Tell every server how a run ended that this bot did not see through."""
        if not await self.client.reports.post(run.id, self.client.guilds):
            outcome, reason = run.outcome or "failed", run.reason or ""
            await self.client.announce(lambda: texts.training_ended(outcome, reason))

    async def _train_in_room(self, *, force: bool, trigger: str, local_date: str | None) -> RunResult:
        async with share_gpu_memory(self.engine, self.settings, self.home):
            return await self._train(self.home.root, force=force, trigger=trigger, local_date=local_date)

    def cancel_training(self, *, actor: str) -> bool:
        """Stop the run that is going on for good; it ends as failed, with who stopped it. False when there is none."""
        if self._run_task is None:
            return self._others.cancel(actor)
        self._cancelled_by = actor
        self._run_task.cancel()
        return True

    async def use(self, adapter: str | None, *, actor: str, reason: str, act: Act | None = None) -> None:
        """Answer with an adapter (None: the base model) from now on and make it champion; `act` goes into the audit.

        Raises:
            AdapterMissing, AdapterRetired, AdapterDamaged: it cannot be used. The one in use stays.
            Refused: the engine does not take it. The one in use stays.
        """
        await self._choose(
            adapter, lambda store: store.promote(adapter, kind="use", actor=actor, reason=reason), lambda: act
        )

    async def rollback(self, *, actor: str, reason: str, act: Callable[[str | None], Act] | None = None) -> str | None:
        """Go back to the adapter before this one; gives its id. Raises NothingToRollBack and what `use` raises."""
        adapter = await self.store.call(Store.champion_before)
        await self._choose(
            adapter,
            lambda store: store.rollback(actor=actor, reason=reason, to=adapter),
            lambda: act(adapter) if act else None,
        )
        return adapter

    async def _choose(
        self, adapter: str | None, write: Callable[[Store], Promotion], act: Callable[[], Act | None]
    ) -> None:
        """Load an adapter, then write the choice down: what cannot be loaded is never the champion."""
        async with self._swapping:
            ref = await self._usable(adapter)
            before = self.engine.adapter
            try:
                report = await self.engine.swap(ref)
            except ModelError as error:
                _log.warning("The adapter %s that was chosen cannot be used: %s", adapter, error)
                raise Refused(words.not_loaded(adapter)) from error
            try:
                made = await self.store.call(_written, write, act())
            except BaseException:
                await self.engine.swap(await self._whole(before))
                raise
        if adapter != before:
            await self.client.announce(
                lambda: texts.adapter_changed(adapter, made.kind, made.reason, report.pause_s * 1000)
            )

    async def _usable(self, adapter: str | None) -> AdapterRef | None:
        """An adapter that may be chosen. Raises AdapterMissing, AdapterRetired, AdapterDamaged."""
        if adapter is not None and (await self.store.call(Store.adapter, adapter)).retired_at is not None:
            raise AdapterRetired(adapter)
        return await self._whole(adapter)

    async def _whole(self, adapter: str | None) -> AdapterRef | None:
        """An adapter whose files are as they were published. Raises AdapterMissing, AdapterDamaged."""
        if adapter is None:
            return None
        row = await self.store.call(Store.adapter, adapter)
        try:
            await asyncio.to_thread(self._adapters.verify, adapter, row.manifest)
        except AdapterMissing as error:
            raise AdapterDamaged(adapter, "its files are gone") from error
        return AdapterRef(adapter, self._adapters.path(adapter))

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
        while self.training:  # noqa: ASYNC110 - begun by hand or by another process: one after the other
            await asyncio.sleep(_WAIT_S)
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
        nightly, run = self._nightly.close(), self._run_task
        if run is not None:
            run.cancel()
        # Together, since a container gives 10 s for all of it.
        parts = filter(None, [run, self._leave(), nightly])
        ended = await asyncio.gather(*parts, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                _log.error("A part could not be closed properly", exc_info=error)

    async def _leave(self) -> None:
        if not self.client.is_closed():
            await self.client.close()


def _why(error: StorageError | ModelError) -> str:
    """What is the matter with an adapter; who answers instead is said beside it."""
    return f"{error.why[:1].upper()}{error.why[1:]}." if isinstance(error, AdapterMismatch) else str(error)


def _written(store: Store, write: Callable[[Store], Promotion], act: Act | None) -> Promotion:
    return write(store) if act is None else store.act(write, lambda _: act)


def _champion(store: Store) -> tuple[str | None, int]:
    return store.champion(), store.last_promotion_id()
