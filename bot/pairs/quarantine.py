"""/pairs quarantine: approved pairs that were set aside, one card after another, for a second moderator to decide.

A card's buttons carry the pair, so the cards need no memory and go on after a restart. Whoever approved a pair does not
decide about it; the store sees to that, and writes every decision in the audit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, Self

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.excerpts import quoted, short
from bot.discord_io.interaction_errors import answered
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.server.moderators import Moderators
from storage.errors import NotInQuarantine
from storage.records import Quarantined
from storage.store import Store

__all__ = ["QuarantineButton", "add_quarantine"]

Act = Literal["confirm", "dismiss", "skip", "start"]
_STYLES = {
    "confirm": discord.ButtonStyle.success,
    "dismiss": discord.ButtonStyle.danger,
    "skip": discord.ButtonStyle.secondary,
    "start": discord.ButtonStyle.secondary,
}
_SHOWN = 900  # characters of a question or an answer
_WAITING = 500  # pairs looked at


def add_quarantine(group: app_commands.Group, moderators: Moderators) -> None:
    """Add the command to the group of /pairs."""

    @group.command(
        name="quarantine", description="Pairs that wait for a second moderator: imported here, or set aside by a night"
    )
    @answered
    async def quarantine(interaction: discord.Interaction[Any]) -> None:
        held = await _held(interaction, moderators)
        embed, view = _page(held, held[0] if held else None, interaction.user.id)
        await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


async def _held(interaction: discord.Interaction[Any], moderators: Moderators) -> list[Quarantined]:
    """What waits where a moderator acts. Raises Refused for anybody else."""
    guild = moderators.require_server(interaction)
    imports_of = moderators.training_servers.imports_shown_to(guild.id)
    places = await moderators.judged(interaction.user, guild)
    return await moderators.store.call(
        Store.quarantined, guild_id=guild.id, limit=_WAITING, imports_of=imports_of, places=places
    )


def _page(held: Sequence[Quarantined], shown: Quarantined | None, reader: int) -> tuple[discord.Embed, discord.ui.View]:
    view = discord.ui.View(timeout=None)
    if shown is None:
        if held:
            view.add_item(QuarantineButton("start", 0))
        text = words.quarantine_end(len(held)) if held else words.QUARANTINE_EMPTY
        return limits.Embed(description=text, colour=discord.Colour.green()), view
    embed = limits.Embed(
        title=words.quarantine_title(len(held)),
        description=f"{quoted(shown.prompt, _SHOWN)}\n\n{short(shown.completion, _SHOWN)}",
        colour=discord.Colour.gold(),
        timestamp=datetime.fromisoformat(shown.created_at),
    )
    embed.add_field(name=words.QUARANTINE_WHY, value=short(words.quarantine_why(shown.reason), 1000), inline=False)
    own = shown.reviewer_id == reader
    embed.add_field(name=words.QUARANTINE_BY, value=words.quarantine_by(shown.reviewer, own=own), inline=False)
    embed.set_footer(text=f"{texts.CARD_REPLY} {shown.reply_id}")
    for act in ("confirm", "dismiss", "skip"):
        view.add_item(QuarantineButton(act, shown.reply_id, disabled=own and act != "skip"))
    return embed, view


def _label(act: Act) -> str:
    return {
        "confirm": words.QUARANTINE_CONFIRM,
        "dismiss": words.QUARANTINE_DISMISS,
        "skip": words.SKIP,
        "start": words.QUEUE_START,
    }[act]


class QuarantineButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=r"nightshift:aside:(?P<act>confirm|dismiss|skip|start):(?P<reply>\d+)",
):
    """Decides about a pair, or goes on to the next."""

    def __init__(self, act: Act, reply_id: int, *, disabled: bool = False) -> None:
        custom_id = f"nightshift:aside:{act}:{reply_id}"
        super().__init__(
            discord.ui.Button(label=_label(act), style=_STYLES[act], custom_id=custom_id, disabled=disabled)
        )
        self.act = act
        self.reply_id = reply_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        act: Act = match["act"]  # type: ignore[assignment]  # the template allows no other word
        return cls(act, int(match["reply"]))

    @answered
    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        moderators, user = interaction.client.moderators, interaction.user
        held = await _held(interaction, moderators)
        place = next((index for index, one in enumerate(held) if one.reply_id == self.reply_id), None)
        if self.act in ("confirm", "dismiss"):
            if place is None:  # decided meanwhile, or another server's
                raise NotInQuarantine(self.reply_id)
            confirmed = self.act == "confirm"
            await moderators.store.call(
                Store.decide_quarantine,
                self.reply_id,
                confirmed=confirmed,
                actor=user.display_name,
                actor_id=user.id,
            )
            told: str | None = words.quarantine_done(self.reply_id, confirmed=confirmed)
            del held[place]
        else:
            told, place = None, 0 if place is None else place + 1
        embed, view = _page(held, held[place] if place < len(held) else None, user.id)
        await interaction.response.edit_message(content=told, embed=embed, view=view)
