"""/adapter: lists the adapters, chooses one, and goes back to the one before."""

from __future__ import annotations

from datetime import datetime

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.components import Interaction
from bot.discord_io.excerpts import short
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.server.moderator_group import ModeratorGroup
from bot.server.moderators import Moderators
from bot.training.operations import Operations
from storage.audit_records import Act
from storage.run_records import Adapter, Candidate
from storage.store import Store

__all__ = ["AdapterCommands"]

_BASE = "base"  # the word for the base model without an adapter, as on the command line
_SHOWN = 15


class AdapterCommands(ModeratorGroup, name="adapter", description="Adapters"):
    """The group /adapter, for moderators of the main server, or of a server with a voice of its own."""

    def __init__(self, operations: Operations, moderators: Moderators) -> None:
        super().__init__(moderators.require_steering)
        self._operations = operations
        self._moderators = moderators

    @app_commands.command(name="list", description="List all adapters and show which one is in use")
    async def list_(self, interaction: Interaction) -> None:
        own = self._moderators.training_servers.own(interaction.guild_id)
        adapters, champion = await self._moderators.store.call(_adapters, own)
        candidates = {one.adapter: one for one in await self._moderators.store.call(Store.candidates, own)}
        lines = [
            _line(one, in_use=one.id == champion, candidate=candidates.get(one.id))
            for one in reversed(adapters[-_SHOWN:])
        ]
        lines.append(f"{texts.BASE_MODEL} \u00b7 {words.IN_USE}" if champion is None else texts.BASE_MODEL)
        text = "\n".join(lines) if adapters else words.NO_ADAPTERS
        embed = limits.Embed(description=text, colour=discord.Colour.blurple())
        await interaction.response.send_message(embed=embed, ephemeral=True)

    @app_commands.command(name="use", description="Switch to another adapter")
    @app_commands.describe(adapter="Which adapter")
    async def use(self, interaction: Interaction, adapter: str) -> None:
        # Reading an adapter, and waiting for a free slot, may take longer than the 3 s an interaction has.
        await interaction.response.defer(ephemeral=True, thinking=True)
        name = interaction.user.display_name
        chosen = None if adapter == _BASE else adapter
        own = self._moderators.training_servers.own(interaction.guild_id)
        act = self._moderators.act(interaction, "adapter.use", adapter, everywhere=own is None)
        await self._operations.use(chosen, actor=name, reason=texts.rollback_reason(name), act=act, server=own)
        await interaction.followup.send(words.used(chosen), ephemeral=True)

    @use.autocomplete("adapter")
    async def matching(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """The adapters to choose from. A group's check does not cover this."""
        try:
            self._moderators.require_steering(interaction)
        except Refused:
            return []
        own = self._moderators.training_servers.own(interaction.guild_id)
        adapters, champion = await self._moderators.store.call(_adapters, own)
        ids = [one.id for one in reversed(adapters) if one.retired_at is None] + [_BASE]
        found = [one for one in ids if typed.casefold() in one.casefold()]
        return [
            app_commands.Choice(
                name=short(f"{one} ({words.IN_USE})", limits.CHOICE) if one == (champion or _BASE) else one, value=one
            )
            for one in limits.choices(found)
        ]

    @app_commands.command(name="rollback", description="Go back to the previous adapter")
    async def rollback(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        name, own = interaction.user.display_name, self._moderators.training_servers.own(interaction.guild_id)

        def act(adapter: str | None) -> Act:
            return self._moderators.act(interaction, "adapter.rollback", adapter or _BASE, everywhere=own is None)

        adapter = await self._operations.rollback(actor=name, reason=texts.rollback_reason(name), act=act, server=own)
        await interaction.followup.send(texts.rolled_back(adapter), ephemeral=True)


def _line(adapter: Adapter, *, in_use: bool, candidate: Candidate | None) -> str:
    parts = [f"`{adapter.id}`", discord.utils.format_dt(datetime.fromisoformat(adapter.created_at), "d")]
    metrics = adapter.manifest.get("metrics")
    loss = metrics.get("challenger_nll") if isinstance(metrics, dict) else None
    parts += [f"{words.REPORT_LOSS.lower()} {loss:.3f}"] if isinstance(loss, float) else []
    parts += [f"**{words.IN_USE}**"] if in_use else []
    parts += [words.RETIRED] if adapter.retired_at else []
    parts += [words.candidate(candidate.pairs)] if candidate else []
    return " \u00b7 ".join(parts)


def _adapters(store: Store, own: int | None) -> tuple[list[Adapter], str | None]:
    return store.adapters_of_voice(own), store.champion(own)
