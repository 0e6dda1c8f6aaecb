"""The slash commands: what the bot is doing, a training run now, back to the adapter before, and a member's consent.

Each asks `Operations` (bot/app.py) or the store and words the answer; what is done, and how, is decided there.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import discord
from discord import app_commands

from bot import texts
from bot.errors import TrainingUnderway
from bot.handler import answered
from bot.permissions import require_moderator
from bot.settings import Settings
from model.protocol import EngineStats, SwapReport
from storage.records import PairCounts, Run
from storage.store import Store
from storage.writer import AsyncStore
from trainer.result import RunResult

__all__ = ["Operations", "Status", "slash_commands"]


@dataclass(frozen=True)
class Status:
    """What the bot is doing at this moment."""

    engine: EngineStats
    pairs: PairCounts
    last_run: Run | None
    next_run: datetime | None
    training: bool


class Operations(Protocol):
    """What the commands may ask of the running bot."""

    @property
    def training(self) -> bool: ...

    async def status(self) -> Status: ...

    async def train_now(
        self, *, force: bool = ..., trigger: str = ..., actor: str = ..., guild: discord.Guild | None = ...
    ) -> RunResult: ...

    async def rollback(self, *, actor: str, reason: str) -> str | None: ...

    async def sync_adapter(self) -> SwapReport | None: ...


def slash_commands(
    operations: Operations, store: AsyncStore, settings: Settings
) -> list[app_commands.Command[Any, ..., None] | app_commands.Group]:
    """All slash commands, ready for the tree."""
    return [
        _status(operations),
        _train(operations, settings.discord.moderator_role),
        _adapter(operations, settings.discord.moderator_role),
        _privacy(store, operator_consents=settings.consent == "operator"),
    ]


def _status(operations: Operations) -> app_commands.Command[Any, ..., None]:
    @app_commands.command(name="status", description="What I am running on, and what comes next")
    @answered
    async def status(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message(embed=status_embed(await operations.status()), ephemeral=True)

    return status


def _train(operations: Operations, role: int | str | None) -> app_commands.Group:
    group = app_commands.Group(name="train", description="Training", guild_only=True)

    @group.command(name="now", description="Train a new adapter on the approved replies now")
    @answered
    async def now(interaction: discord.Interaction[Any]) -> None:
        require_moderator(interaction, role)
        if operations.training:
            raise TrainingUnderway
        await interaction.response.send_message(texts.TRAINING_STARTED, ephemeral=True)
        result = await operations.train_now(
            trigger="discord", actor=interaction.user.display_name, guild=interaction.guild
        )
        # A long run outlives the interaction's 15 minutes; the review channel has heard by then.
        with contextlib.suppress(discord.HTTPException):
            await interaction.followup.send(texts.training_ended(result.outcome, result.reason), ephemeral=True)

    return group


def _adapter(operations: Operations, role: int | str | None) -> app_commands.Group:
    group = app_commands.Group(name="adapter", description="Adapters", guild_only=True)

    @group.command(name="rollback", description="Go back to the adapter that answered before this one")
    @answered
    async def rollback(interaction: discord.Interaction[Any]) -> None:
        require_moderator(interaction, role)
        # The swap waits for the answers in flight, which may take longer than the 3 s an interaction has.
        await interaction.response.defer(ephemeral=True, thinking=True)
        name = interaction.user.display_name
        adapter = await operations.rollback(actor=name, reason=texts.rollback_reason(name))
        await operations.sync_adapter()
        await interaction.followup.send(texts.rolled_back(adapter), ephemeral=True)

    return group


def _privacy(store: AsyncStore, *, operator_consents: bool) -> app_commands.Group:
    group = app_commands.Group(name="privacy", description="What I keep of your words, and your say in it")

    @group.command(name="status", description="What is stored, and whether your words may be used for training")
    @answered
    async def status(interaction: discord.Interaction[Any]) -> None:
        consent = await store.call(Store.consent, interaction.user.id)
        text = texts.privacy_status(None if consent is None else consent.opted_in, operator_consents)
        await interaction.response.send_message(text, ephemeral=True)

    @group.command(name="opt-in", description="Let me learn from approved replies to you")
    @answered
    async def opt_in(interaction: discord.Interaction[Any]) -> None:
        await store.call(Store.set_consent, interaction.user.id, True)
        await interaction.response.send_message(texts.PRIVACY_IN, ephemeral=True)

    @group.command(name="opt-out", description="Keep your words out of training")
    @answered
    async def opt_out(interaction: discord.Interaction[Any]) -> None:
        await store.call(Store.set_consent, interaction.user.id, False)
        await interaction.response.send_message(texts.PRIVACY_OUT, ephemeral=True)

    return group


def status_embed(status: Status) -> discord.Embed:
    """The answer to /status."""
    engine, pairs, run = status.engine, status.pairs, status.last_run
    embed = discord.Embed(title=texts.STATUS_TITLE, colour=discord.Colour.blurple())
    embed.add_field(name=texts.STATUS_MODEL, value=f"{engine.base_model} ({engine.device})")
    embed.add_field(name=texts.STATUS_ADAPTER, value=texts.adapter_name(engine.adapter))
    embed.add_field(name=texts.STATUS_QUEUE, value=texts.queue(engine.active, engine.queued))
    embed.add_field(
        name=texts.STATUS_PAIRS,
        value=texts.pairs(pairs.pending, pairs.approved, pairs.rejected, pairs.eligible),
    )
    last = texts.RUN_NOW if status.training else texts.NEVER
    if run is not None and not status.training:
        when = discord.utils.format_dt(datetime.fromisoformat(run.finished_at or run.started_at), "R")
        last = texts.last_run(run.outcome, when, run.reason)
    embed.add_field(name=texts.STATUS_LAST, value=last)
    upcoming = discord.utils.format_dt(status.next_run, "R") if status.next_run else texts.NOT_PLANNED
    embed.add_field(name=texts.STATUS_NEXT, value=upcoming)
    return embed
