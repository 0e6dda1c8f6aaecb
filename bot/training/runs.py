"""Training runs of this bot: one at a time, begun by hand or at night, and what people are told of their ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import discord

from bot.errors import TrainingUnderway
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.server.moderators import Moderators
from bot.settings import Settings
from bot.training.gpu_memory import share_gpu_memory
from bot.training.other_runs import OtherRuns
from bot.training.reasons import reason_of_result, reason_of_run, row_of
from bot.training.report import ReportPoster
from bot.training.voices_night import train_voices
from model.protocol import ChatEngine
from storage.async_store import AsyncStore
from storage.database import check_database
from storage.errors import DatabaseDamaged
from storage.files.home import Home
from storage.run_records import Run
from storage.store import Store
from trainer import night_queue
from trainer.result import RunResult
from trainer.resume import close_unfinished

__all__ = ["Train", "TrainingRuns", "train_in_own_process"]

_log = logging.getLogger(__name__)
_WAIT_S = 10.0


class Train(Protocol):
    """How a training run is started; `trainer.launch.run_training` is one."""

    def __call__(
        self, home: Path, *, force: bool, trigger: str, local_date: str | None, server: int | None = ...
    ) -> Awaitable[RunResult]: ...


async def train_in_own_process(
    home: Path, *, force: bool, trigger: str, local_date: str | None, server: int | None = None
) -> RunResult:
    """Train as `nightshift train` does."""
    from trainer.launch import run_training

    return await run_training(home, force=force, trigger=trigger, local_date=local_date, server=server)


class Speaker(Protocol):
    """The Discord side, as far as runs speak through it."""

    moderators: Moderators
    reports: ReportPoster

    @property
    def guilds(self) -> Sequence[discord.Guild]:
        """The servers that the bot is on, as far as Discord has said."""
        ...

    def get_guild(self, id: int, /) -> discord.Guild | None:  # noqa: A002 - discord.py's name
        """One of them."""
        ...

    def is_ready(self) -> bool:
        """Whether Discord has said which servers these are."""
        ...

    async def announce(self, text: Callable[[], str], *, guild: discord.Guild | None = None) -> bool:
        """Tell the moderators of every server, or of this one."""
        ...


class TrainingRuns:
    """Makes runs and knows those of other processes on the same home.

    Args:
        home: the state directory.
        settings: the bot's settings.
        engine: unloads its model while a run needs the memory.
        store: knows every run.
        train: how a run is started.
        speaker: the Discord client of this moment.
        sync: answers with what the store says now, the servers' own voices included; whether an adapter was swapped.
        leads: whether it is still this process that runs the nights.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        engine: ChatEngine,
        store: AsyncStore,
        *,
        train: Train,
        speaker: Callable[[], Speaker],
        sync: Callable[[], Awaitable[bool]],
        leads: Callable[[], Awaitable[bool]],
    ) -> None:
        self._home, self._settings, self._engine, self._store = home, settings, engine, store
        self._train, self._speaker, self._sync, self._leads = train, speaker, sync, leads
        self._task: asyncio.Future[RunResult] | None = None
        self._cancelled_by = ""  # who stopped the run
        self._underway = False  # from the start of our run until people are told how it ended
        self._others = OtherRuns(home, store, self._tell, settings.shards.part)

    @property
    def _by_server(self) -> bool:
        return self._settings.voices == "server"

    @property
    def going(self) -> bool:
        """Whether anybody's training run is in progress."""
        return self._task is not None or self._others.going() is not None

    async def look(self) -> None:
        """See what another process trains. Called every few seconds."""
        if not self._underway and self._speaker().guilds:
            await self._others.look()

    async def train(
        self,
        *,
        force: bool = False,
        trigger: str = "manual",
        actor: str = "",
        guild: discord.Guild | None = None,
        local_date: str | None = None,
        server: int | None = None,
    ) -> RunResult:
        """Make one training run and use the new adapter if it won. Its end is announced in `guild`, or everywhere.

        `local_date` is the night it counts for, today's where None; `server` is one whose own voice is trained.

        Raises:
            TrainingUnderway: this bot is training already.
        """
        if self._underway or self.going:
            raise TrainingUnderway
        self._underway = True
        try:
            _log.info("Training run started (%s %s)", trigger, actor)
            start = partial(self._call_train, force=force, trigger=trigger, local_date=local_date, server=server)
            return await self._train_once(start, lambda: [guild] if guild else self._concerned(server))
        finally:
            self._underway = False

    async def _train_once(
        self, start: Callable[[], Coroutine[Any, Any, RunResult]], told: Callable[[], Sequence[discord.Guild]]
    ) -> RunResult:
        """Make a run and tell the servers of `told`, asked then, how it ended."""
        self._cancelled_by = ""
        self._task = asyncio.ensure_future(start())
        try:
            result = await self._task
        except asyncio.CancelledError:
            if not self._cancelled_by:
                raise
            result = RunResult(None, "failed", words.cancelled_by(self._cancelled_by))
            await self._store.call(close_unfinished, self._home, result.reason)  # the next start does not resume it
        finally:
            self._task = None
        await self._store.call(Store.erase, at_most=None)  # at night a large file may take its time
        _log.info("Training run %s: %s (%s)", result.run, result.outcome, result.reason)
        swapped, guilds = await self._sync(), told()
        reported = await self._speaker().reports.post(result.run, guilds)
        if not swapped and not reported:
            run = await row_of(self._store, result)
            await self._speaker().moderators.announce(
                guilds, lambda: texts.training_ended(result.outcome, reason_of_result(result, run))
            )
        if result.run is not None:
            await self._others.told(result.run)
        return result

    async def _tell(self, run: Run) -> None:
        """Tell the servers that it concerns how a run of another process ended."""
        guilds = self._concerned(run.guild_id)
        if not await self._speaker().reports.post(run.id, guilds):
            outcome = run.outcome or "failed"
            await self._speaker().moderators.announce(guilds, lambda: texts.training_ended(outcome, reason_of_run(run)))

    def _concerned(self, server: int | None) -> Sequence[discord.Guild]:
        """The server whose own voice is trained, if this process knows it; of the one voice of all, every server."""
        if server is None:
            return self._speaker().guilds
        guild = self._speaker().get_guild(server)
        return [guild] if guild else []

    async def _call_train(self, *, force: bool, trigger: str, local_date: str | None, server: int | None) -> RunResult:
        own = {} if server is None else {"server": server}
        async with share_gpu_memory(self._engine, self._settings, self._home):
            return await self._train(self._home.root, force=force, trigger=trigger, local_date=local_date, **own)

    def cancel(self, *, actor: str) -> bool:
        """Stop the run for good. It ends as failed, with the name of who stopped it. False when there is none."""
        if self._task is None:
            return self._others.cancel(actor)
        self._cancelled_by = actor
        self._task.cancel()
        return True

    async def nights(self) -> list[str]:
        """The local dates of the nights that were begun."""
        return await self._store.call(night_queue.nights if self._by_server else Store.nights)

    async def tonight(self, local_date: str) -> None:
        """The night's runs: one, or one for each server with enough news. A failure is announced and raised."""
        await self._until_free()
        try:
            await asyncio.to_thread(check_database, self._home.db, thorough=True)
            if self._by_server:
                train = partial(self._train_voice, local_date)
                await train_voices(self._store, self._settings, local_date, train, self._leads)
            else:
                await self._train_when_free(local_date)
        except DatabaseDamaged as error:
            _log.error("No training tonight: %s", error)
            await self._speaker().announce(lambda: words.DATABASE_DAMAGED)
        except TrainingUnderway:
            raise
        except Exception:
            await self._speaker().announce(lambda: texts.background_failed("night"))
            raise

    async def _train_voice(self, local_date: str, server: int) -> None:
        here = self._settings.shards.serve(server) and self._speaker().is_ready()  # a missed night begins before
        if here and self._speaker().get_guild(server) is None:
            _log.info("The bot is no longer on server %d, which is not trained for", server)
            return
        await self._train_when_free(local_date, server)

    async def _train_when_free(self, local_date: str, server: int | None = None) -> None:
        await self._until_free()
        await self.train(trigger="schedule", local_date=local_date, server=server)

    async def _until_free(self) -> None:
        while self._underway or self.going:  # noqa: ASYNC110 - begun by hand or by another process: one after the other
            await asyncio.sleep(_WAIT_S)

    def stop(self) -> asyncio.Future[RunResult] | None:
        """End the run that is in progress, if any: the next start resumes it. Returns what to wait for."""
        if self._task is not None:
            self._task.cancel()
        return self._task
