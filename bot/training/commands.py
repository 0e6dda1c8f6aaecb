"""/train: starts a run, shows its progress, stops it, and lists the runs before it.

`Operations` does the runs; progress is read from the store, where the trainer writes it.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import discord
from discord import app_commands
from discord.ext import tasks

from bot.discord_io import limits
from bot.discord_io.components import Interaction
from bot.errors import Refused, TrainingUnderway
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.server.moderator_group import ModeratorGroup
from bot.server.moderators import Moderators
from bot.training.operations import Operations
from bot.training.reasons import reason_of_result, reason_of_run, row_of
from storage.async_store import AsyncStore
from storage.run_records import Metric, Run
from storage.store import Store
from trainer.resume import in_progress

__all__ = ["LiveProgress", "TrainCommands", "progress_line"]

_log = logging.getLogger(__name__)
_EVERY_S = 4.0  # between two edits of a message that shows progress
_TOKEN_S = 14 * 60  # an interaction's message can be edited for 15 minutes
_RUNS = 10  # in the history


def progress_line(run: Run, metrics: list[Metric], now: datetime) -> str:
    """How far a run is."""
    latest: dict[str, float] = {}
    for metric in metrics:
        latest[metric.name] = metric.value
    minutes = max(0.0, (now - datetime.fromisoformat(run.started_at)).total_seconds() / 60)  # a clock may be set back
    return words.progress(run.stage, minutes, metrics[-1].step if metrics else None, latest)


class LiveProgress:
    """Shows a run's progress in one message until the run ends or the message can no longer be edited.

    `server`: the run is one of that server's own voice.
    """

    def __init__(
        self,
        store: AsyncStore,
        edit: Callable[[str], Awaitable[Any]],
        running: Callable[[], bool],
        heading: str,
        *,
        server: int | None = None,
    ) -> None:
        self._store = store
        self._server = server
        self._edit = edit
        self._running = running
        self._heading = heading
        self._shown = ""
        self._began = time.monotonic()
        self._loop = tasks.loop(seconds=_EVERY_S)(self._update)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.cancel()

    async def text(self) -> str:
        """What the message says now."""
        found = await self._store.call(_unfinished, self._server)
        line = progress_line(*found, datetime.now(UTC)) if found else ""
        return "\n".join(filter(None, [self._heading, line]))

    async def _update(self) -> None:
        if not self._running() or time.monotonic() - self._began > _TOKEN_S:
            self._loop.stop()
            return
        try:
            text = await self.text()
            if text not in {self._shown, self._heading}:
                await self._edit(text)
                self._shown = text
        except Exception:  # noqa: BLE001  (a progress line is never worth a failure)
            _log.warning("The progress of a run could not be shown", exc_info=True)


class TrainCommands(ModeratorGroup, name="train", description="Training"):
    """The group /train, for moderators of the main server, or of a server with a voice of its own."""

    def __init__(self, operations: Operations, moderators: Moderators) -> None:
        super().__init__(moderators.require_steering)
        self._operations = operations
        self._moderators = moderators

    @app_commands.command(name="now", description="Start training a new adapter now")
    @app_commands.describe(force="Train even if there is little new data")
    async def now(self, interaction: Interaction, force: bool = False) -> None:
        if self._operations.runs.going:
            raise TrainingUnderway
        await interaction.response.defer(ephemeral=True, thinking=True)
        servers = self._moderators.training_servers
        everywhere = not servers.apart
        await self._moderators.note(interaction, "train.now", everywhere=everywhere, details={"force": force})
        await interaction.edit_original_response(content=texts.TRAINING_STARTED)
        progress = self._progress(interaction, texts.TRAINING_STARTED)
        progress.start()
        try:
            result = await self._operations.runs.train(
                force=force,
                trigger="discord",
                actor=interaction.user.display_name,
                guild=interaction.guild,
                server=servers.own(interaction.guild_id),
            )
        finally:
            progress.stop()
        # A long run outlives the interaction's 15 minutes; by then the review channel says how it ended.
        with contextlib.suppress(discord.HTTPException):
            run = await row_of(self._moderators.store, result)
            said = limits.content(texts.training_ended(result.outcome, reason_of_result(result, run)))
            await interaction.followup.send(said, ephemeral=True)

    @app_commands.command(name="status", description="Progress of the current training run")
    async def status(self, interaction: Interaction) -> None:
        await self._require_run(interaction)
        progress = self._progress(interaction, "")
        await interaction.response.send_message(await progress.text() or texts.RUN_NOW, ephemeral=True)
        progress.start()

    @app_commands.command(name="cancel", description="Cancel the current training run")
    async def cancel(self, interaction: Interaction) -> None:
        await self._require_run(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        everywhere = not self._moderators.training_servers.apart
        await self._moderators.note(
            interaction, "train.cancel", everywhere=everywhere
        )  # first: it cannot be taken back
        if not self._operations.runs.cancel(actor=interaction.user.display_name):
            raise Refused(words.NOT_CANCELLED)
        await interaction.edit_original_response(content=words.CANCELLED)

    @app_commands.command(name="history", description="Results of recent training runs")
    async def history(self, interaction: Interaction) -> None:
        own = self._moderators.training_servers.own(interaction.guild_id)
        runs = await self._moderators.store.call(_with_votes, interaction.guild_id or 0, own)
        text = "\n".join(_line(run, votes) for run, votes in runs) or words.NO_RUNS
        embed = limits.Embed(description=text, colour=discord.Colour.blurple())
        await interaction.response.send_message(embed=embed, ephemeral=True)

    def _progress(self, interaction: Interaction, heading: str) -> LiveProgress:
        async def edit(text: str) -> None:
            await interaction.edit_original_response(content=text)

        server = self._moderators.training_servers.own(interaction.guild_id)
        return LiveProgress(self._moderators.store, edit, lambda: self._operations.runs.going, heading, server=server)

    async def _require_run(self, interaction: Interaction) -> None:
        """Raises Refused where no training runs, or only that of another server's own voice."""
        servers = self._moderators.training_servers
        unfinished = await self._moderators.store.call(_unfinished, servers.own(interaction.guild_id))
        if not self._operations.runs.going:
            raise Refused(words.INTERRUPTED if unfinished else words.NOT_TRAINING)
        trains = await self._moderators.store.call(in_progress) if servers.apart else None
        if servers.apart and (trains is None or trains.guild_id != interaction.guild_id):
            raise Refused(words.NOT_TRAINING)


def _line(run: Run, votes: dict[Any, int]) -> str:
    when = discord.utils.format_dt(datetime.fromisoformat(run.started_at), "f")
    line = words.history_line(when, run.outcome, run.train_pairs, run.champion_nll, run.challenger_nll)
    if any(votes.values()):
        line += " \u00b7 " + words.votes(votes["challenger"], votes["champion"], votes["tie"])
    reason = reason_of_run(run)
    return f"{line}\n-# {reason}" if reason else line


def _unfinished(store: Store, server: int | None) -> tuple[Run, list[Metric]] | None:
    run = next(iter(store.runs_of_voice(server, 1)), None)
    return (run, store.metrics(run.id)) if run is not None and run.outcome is None else None


def _with_votes(store: Store, guild_id: int, own: int | None) -> list[tuple[Run, dict[Any, int]]]:
    return [(run, store.votes(run.id, guild_id)) for run in store.runs_of_voice(own, _RUNS)]
