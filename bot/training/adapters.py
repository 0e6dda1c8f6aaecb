"""/adapter: the adapters there are, choosing one, and going back to the one before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.excerpts import short
from bot.discord_io.interaction_errors import answered
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.server.moderators import Moderators
from bot.training.operations import Operations
from storage.records import Act, Adapter
from storage.store import Store

__all__ = ["adapter_commands"]

_BASE = "base"  # the word for the bare base model, as on the command line
_SHOWN = 15


def adapter_commands(operations: Operations, moderators: Moderators) -> app_commands.Group:
    """The group of /adapter."""
    group = app_commands.Group(name="adapter", description="Adapters", guild_only=True)

    @group.command(name="list", description="The adapters there are, and which one answers")
    @answered
    async def list_(interaction: discord.Interaction[Any]) -> None:
        moderators.require_steering(interaction)
        adapters, champion = await moderators.store.call(_registry)
        lines = [_line(one, in_use=one.id == champion) for one in reversed(adapters[-_SHOWN:])]
        lines.append(f"{texts.BASE_MODEL} \u00b7 {words.IN_USE}" if champion is None else texts.BASE_MODEL)
        text = "\n".join(lines) if adapters else words.NO_ADAPTERS
        embed = limits.Embed(description=text, colour=discord.Colour.blurple())
        await interaction.response.send_message(embed=embed, ephemeral=True)

    @group.command(name="use", description="Answer with another adapter from now on")
    @app_commands.describe(adapter="Which one")
    @answered
    async def use(interaction: discord.Interaction[Any], adapter: str) -> None:
        moderators.require_steering(interaction)
        # The swap waits for the answers in flight, which may take longer than the 3 s an interaction has.
        await interaction.response.defer(ephemeral=True, thinking=True)
        name = interaction.user.display_name
        chosen = None if adapter == _BASE else adapter
        act = moderators.act(interaction, "adapter.use", adapter, everywhere=True)
        await operations.use(chosen, actor=name, reason=texts.rollback_reason(name), act=act)
        await interaction.followup.send(words.used(chosen), ephemeral=True)

    @use.autocomplete("adapter")
    async def offered(interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        try:
            moderators.require_steering(interaction)
        except Refused:
            return []
        adapters, champion = await moderators.store.call(_registry)
        ids = [one.id for one in reversed(adapters) if one.retired_at is None] + [_BASE]
        fitting = [one for one in ids if typed.casefold() in one.casefold()]
        return [
            app_commands.Choice(
                name=short(f"{one} ({words.IN_USE})", limits.CHOICE) if one == (champion or _BASE) else one, value=one
            )
            for one in limits.choices(fitting)
        ]

    @group.command(name="rollback", description="Go back to the adapter that answered before this one")
    @answered
    async def rollback(interaction: discord.Interaction[Any]) -> None:
        moderators.require_steering(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        name = interaction.user.display_name

        def act(adapter: str | None) -> Act:
            return moderators.act(interaction, "adapter.rollback", adapter or _BASE, everywhere=True)

        adapter = await operations.rollback(actor=name, reason=texts.rollback_reason(name), act=act)
        await interaction.followup.send(texts.rolled_back(adapter), ephemeral=True)

    return group


def _line(adapter: Adapter, *, in_use: bool) -> str:
    parts = [f"`{adapter.id}`", discord.utils.format_dt(datetime.fromisoformat(adapter.created_at), "d")]
    metrics = adapter.manifest.get("metrics")
    loss = metrics.get("challenger_nll") if isinstance(metrics, dict) else None
    parts += [f"{words.REPORT_LOSS.lower()} {loss:.3f}"] if isinstance(loss, float) else []
    parts += [f"**{words.IN_USE}**"] if in_use else []
    parts += [words.RETIRED] if adapter.retired_at else []
    return " \u00b7 ".join(parts)


def _registry(store: Store) -> tuple[list[Adapter], str | None]:
    return store.adapters(), store.champion()
