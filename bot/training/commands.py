"""/train: a run now, how far it is, stopping it, and what the runs before it came to.

The runs themselves are `Operations`' affair; progress is read from the store, where the trainer writes it.
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
from bot.discord_io.interaction_errors import answered
from bot.errors import Refused, TrainingUnderway
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.server.moderators import Moderators
from bot.training.operations import Operations
from storage.async_store import AsyncStore
from storage.records import Metric, Run
from storage.store import Store

__all__ = ["LiveProgress", "progress_line", "train_commands"]

_log = logging.getLogger(__name__)
_EVERY_S = 4.0  # between two edits of a message that shows progress
_TOKEN_S = 14 * 60  # an interaction's message can be edited for 15 minutes
_RUNS = 10  # in the history


def progress_line(run: Run, metrics: list[Metric], now: datetime) -> str:
    """How far a run is. Pure."""
    latest: dict[str, float] = {}
    for metric in metrics:
        latest[metric.name] = metric.value
    minutes = max(0.0, (now - datetime.fromisoformat(run.started_at)).total_seconds() / 60)  # a clock may be set back
    return words.progress(run.stage, minutes, metrics[-1].step if metrics else None, latest)


class LiveProgress:
    """Keeps one message showing how far the run is, until it ends or the message can no longer be edited."""

    def __init__(
        self, store: AsyncStore, edit: Callable[[str], Awaitable[Any]], going: Callable[[], bool], heading: str
    ) -> None:
        self._store = store
        self._edit = edit
        self._going = going
        self._heading = heading
        self._shown = ""
        self._began = time.monotonic()
        self._loop = tasks.loop(seconds=_EVERY_S)(self._look)

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        self._loop.cancel()

    async def text(self) -> str:
        """What the message says now."""
        found = await self._store.call(_underway)
        line = progress_line(*found, datetime.now(UTC)) if found else ""
        return "\n".join(filter(None, [self._heading, line]))

    async def _look(self) -> None:
        if not self._going() or time.monotonic() - self._began > _TOKEN_S:
            self._loop.stop()
            return
        try:
            text = await self.text()
            if text not in {self._shown, self._heading}:
                await self._edit(text)
                self._shown = text
        except Exception:  # noqa: BLE001  (a progress line is never worth a failure)
            _log.warning("The progress of a run could not be shown", exc_info=True)


def train_commands(operations: Operations, moderators: Moderators) -> app_commands.Group:
    """The group of /train."""
    group = app_commands.Group(name="train", description="Training", guild_only=True)

    def live(interaction: discord.Interaction[Any], heading: str) -> LiveProgress:
        async def edit(text: str) -> None:
            await interaction.edit_original_response(content=text)

        return LiveProgress(moderators.store, edit, lambda: operations.training, heading)

    @group.command(name="now", description="Train a new adapter on the approved replies now")
    @app_commands.describe(force="Even if little is new since the last run")
    @answered
    async def now(interaction: discord.Interaction[Any], force: bool = False) -> None:
        guild = moderators.require_steering(interaction)
        if operations.training:
            raise TrainingUnderway
        await interaction.response.defer(ephemeral=True, thinking=True)
        await moderators.note(interaction, "train.now", everywhere=True, details={"force": force})  # then it is begun
        await interaction.edit_original_response(content=texts.TRAINING_STARTED)
        progress = live(interaction, texts.TRAINING_STARTED)
        progress.start()
        try:
            result = await operations.train_now(
                force=force, trigger="discord", actor=interaction.user.display_name, guild=guild
            )
        finally:
            progress.stop()
        # A long run outlives the interaction's 15 minutes; the review channel has heard by then.
        with contextlib.suppress(discord.HTTPException):
            said = limits.content(texts.training_ended(result.outcome, result.reason))
            await interaction.followup.send(said, ephemeral=True)

    @group.command(name="status", description="How far the training run is")
    @answered
    async def status(interaction: discord.Interaction[Any]) -> None:
        moderators.require_steering(interaction)
        await _require_run(operations, moderators.store)
        progress = live(interaction, "")
        await interaction.response.send_message(await progress.text() or texts.RUN_NOW, ephemeral=True)
        progress.start()

    @group.command(name="cancel", description="Stop the training run")
    @answered
    async def cancel(interaction: discord.Interaction[Any]) -> None:
        moderators.require_steering(interaction)
        await _require_run(operations, moderators.store)
        await interaction.response.defer(ephemeral=True, thinking=True)
        await moderators.note(interaction, "train.cancel", everywhere=True)  # first: it cannot be taken back
        if not operations.cancel_training(actor=interaction.user.display_name):
            raise Refused(words.NOT_CANCELLED)
        await interaction.edit_original_response(content=words.CANCELLED)

    @group.command(name="history", description="What the last training runs came to")
    @answered
    async def history(interaction: discord.Interaction[Any]) -> None:
        guild = moderators.require_steering(interaction)
        runs = await moderators.store.call(_with_votes, guild.id)
        text = "\n".join(_line(run, votes) for run, votes in runs) or words.NO_RUNS
        embed = limits.Embed(description=text, colour=discord.Colour.blurple())
        await interaction.response.send_message(embed=embed, ephemeral=True)

    return group


def _line(run: Run, votes: dict[Any, int]) -> str:
    when = discord.utils.format_dt(datetime.fromisoformat(run.started_at), "f")
    line = words.history_line(when, run.outcome, run.train_pairs, run.champion_nll, run.challenger_nll)
    if any(votes.values()):
        line += " \u00b7 " + words.votes(votes["challenger"], votes["champion"], votes["tie"])
    return f"{line}\n-# {run.reason}" if run.reason else line


def _underway(store: Store) -> tuple[Run, list[Metric]] | None:
    run = store.last_run()
    return (run, store.metrics(run.id)) if run is not None and run.outcome is None else None


async def _require_run(operations: Operations, store: AsyncStore) -> None:
    """Raises Refused where no training is going on."""
    if not operations.training:
        raise Refused(words.INTERRUPTED if await store.call(_underway) else words.NOT_TRAINING)


def _with_votes(store: Store, guild_id: int) -> list[tuple[Run, dict[Any, int]]]:
    return [(run, store.votes(run.id, guild_id)) for run in store.runs(_RUNS)]
