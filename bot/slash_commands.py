"""Every command of the bot; among them the slash commands of moderators and /status, which is everybody's.

Each group has a file in the room of its subject; here is the list, and who sees it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import discord
from discord import app_commands

from bot.chat.incoming import IncomingRequests, ask_command
from bot.discord_io import limits
from bot.discord_io.deferral import in_time, respond
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.knowledge.commands import KnowledgeCommands, save_as_fact
from bot.pairs.commands import PairCommands
from bot.privacy.commands import privacy_commands
from bot.review.queue import review_command
from bot.review.service import ReviewService, message_commands
from bot.review.statistics import stats_command
from bot.server.moderators import Moderators
from bot.server.settings_commands import SettingsCommands
from bot.server.setup import SetupForm, hold_command, setup_command
from bot.settings import Settings
from bot.training.adapters import AdapterCommands
from bot.training.commands import TrainCommands
from bot.training.operations import Operations, Status
from bot.training.reasons import reason_of_run

__all__ = ["every_command", "slash_commands", "status_embed"]

Command = app_commands.Command[Any, ..., None] | app_commands.Group


def every_command(
    operations: Operations,
    moderators: Moderators,
    review: ReviewService,
    setup: SetupForm,
    knowledge: KnowledgeCommands,
    *,
    requests: IncomingRequests,
    settings: Settings,
    looks_up: bool,
    forgotten: Callable[[Sequence[int]], Awaitable[None]],
) -> Iterator[Command | app_commands.ContextMenu]:
    """Every command and menu, ready for the tree. `forgotten` is told of the replies that /privacy forget changed."""
    hidden = settings.discord.moderator_role is None
    yield from message_commands(review, hidden=hidden)
    yield ask_command(requests)
    yield SettingsCommands(moderators, looks_up=looks_up)
    yield save_as_fact(moderators, settings.memory, hidden=hidden)
    yield from slash_commands(operations, moderators, review, setup, knowledge)
    yield privacy_commands(moderators.store, settings, forgotten, moderators.training_servers)


def slash_commands(
    operations: Operations,
    moderators: Moderators,
    review: ReviewService,
    setup: SetupForm,
    knowledge: KnowledgeCommands,
) -> list[Command]:
    """All of them, ready for the tree.

    Where no role is configured, members without Manage Messages do not see those of moderators; a role's holders would
    not see them either, so with a role every callback alone decides.
    """
    theirs: list[Command] = [
        review_command(review.queue),
        TrainCommands(operations, moderators),
        AdapterCommands(operations, moderators),
        PairCommands(moderators),
        knowledge,
        stats_command(moderators),
        hold_command(moderators),
    ]
    for command in theirs:
        command.guild_only = True
        if moderators.config.moderator_role is None:
            command.default_permissions = discord.Permissions(manage_messages=True)
    return [_status(operations, moderators), setup_command(setup), *theirs]


def _status(operations: Operations, moderators: Moderators) -> app_commands.Command[Any, ..., None]:
    @app_commands.command(name="status", description="What I am running on, and what comes next")
    async def status(interaction: discord.Interaction) -> None:
        embed = status_embed(
            await in_time(interaction, operations.status(moderators.training_servers.own(interaction.guild_id)))
        )
        if interaction.guild_id is not None and not moderators.training_servers.learns_from(interaction.guild_id):
            embed.add_field(name=texts.STATUS_LEARNING, value=texts.NOT_LEARNING_HERE, inline=False)
        await respond(interaction, embed=embed)

    return status


def status_embed(status: Status) -> discord.Embed:
    """The answer to /status."""
    engine, pairs, run = status.engine, status.pairs, status.last_run
    embed = limits.Embed(title=texts.STATUS_TITLE, colour=discord.Colour.blurple())
    if engine.failure:
        embed.description = texts.STATUS_FAILED
    embed.add_field(name=texts.STATUS_MODEL, value=f"{engine.base_model} ({engine.device})")
    embed.add_field(name=texts.STATUS_ADAPTER, value=texts.adapter_name(engine.adapter))
    embed.add_field(name=texts.STATUS_QUEUE, value=texts.queue(engine.active, engine.queued))
    embed.add_field(name=texts.STATUS_SPEED, value=texts.speed(engine.tokens_per_second, engine.slots))
    embed.add_field(name=texts.STATUS_MEMORY, value=texts.memory(engine.memory_bytes))
    embed.add_field(
        name=texts.STATUS_PAIRS,
        value=texts.pairs(pairs.pending, pairs.approved, pairs.rejected, pairs.eligible),
    )
    if pairs.excluded:
        embed.add_field(name=words.REPORT_EXCLUDED, value=words.excluded(pairs.excluded))
    last = texts.RUN_NOW if status.training else texts.NEVER
    if run is not None and not status.training:
        when = discord.utils.format_dt(datetime.fromisoformat(run.finished_at or run.started_at), "R")
        last = texts.last_run(run.outcome, when, reason_of_run(run))
    embed.add_field(name=texts.STATUS_LAST, value=last)
    upcoming = discord.utils.format_dt(status.next_run, "R") if status.next_run else texts.NOT_PLANNED
    embed.add_field(name=texts.STATUS_NEXT, value=upcoming)
    swap = engine.last_swap
    embed.add_field(
        name=texts.STATUS_SWAP,
        value=texts.swap(swap.adapter, swap.pause_s * 1000, swap.waited_s * 1000) if swap else texts.NEVER,
    )
    return embed
