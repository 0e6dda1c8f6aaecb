"""/pairs quarantine: shows approved pairs in quarantine one after another, for a second moderator to decide.

The buttons name the pair, so they work after a restart. Who approved a pair does not decide about it: the store
checks that, and writes every decision in the audit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

import discord

from bot.discord_io import limits
from bot.discord_io.components import Component, Interaction
from bot.discord_io.excerpts import quoted, short
from bot.i18n.en import moderation as words
from bot.i18n.en import quarantine as reasons
from bot.i18n.en import texts
from bot.server.moderators import Moderators, server_of
from storage.pair_records import Quarantined
from storage.review_errors import NotInQuarantine
from storage.store import Store

__all__ = ["QuarantineButton", "show_quarantine"]

Act = Literal["confirm", "dismiss", "skip", "start"]
_STYLES = {
    "confirm": discord.ButtonStyle.success,
    "dismiss": discord.ButtonStyle.danger,
    "skip": discord.ButtonStyle.secondary,
    "start": discord.ButtonStyle.secondary,
}
_SHOWN = 900  # characters of a question or an answer
_MOST = 500  # pairs looked at


async def show_quarantine(interaction: Interaction, moderators: Moderators) -> None:
    """Show a moderator the first pair that waits."""
    waiting = await _waiting(interaction, moderators)
    embed, view = _page(waiting, waiting[0] if waiting else None, interaction.user.id)
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


async def _waiting(interaction: Interaction, moderators: Moderators) -> list[Quarantined]:
    """The pairs that wait on this server, from channels that the moderator may judge."""
    guild = server_of(interaction)
    imports_of = moderators.training_servers.imports_shown_to(guild.id)
    places = await moderators.judged(interaction.user, guild)
    return await moderators.store.call(
        Store.quarantined, guild_id=guild.id, limit=_MOST, imports_of=imports_of, places=places
    )


def _page(
    waiting: Sequence[Quarantined], shown: Quarantined | None, reader: int
) -> tuple[discord.Embed, discord.ui.View]:
    view = discord.ui.View(timeout=None)
    if shown is None:
        if waiting:
            view.add_item(QuarantineButton("start", 0))
        text = words.quarantine_end(len(waiting)) if waiting else words.QUARANTINE_EMPTY
        return limits.Embed(description=text, colour=discord.Colour.green()), view
    embed = limits.Embed(
        title=words.quarantine_title(len(waiting)),
        description=f"{quoted(shown.prompt, _SHOWN)}\n\n{short(shown.completion, _SHOWN)}",
        colour=discord.Colour.gold(),
        timestamp=datetime.fromisoformat(shown.created_at),
    )
    embed.add_field(name=words.QUARANTINE_WHY, value=short(reasons.why(shown.reason), 1000), inline=False)
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
    Component[discord.ui.Button[discord.ui.View]],
    template=r"nightshift:aside:(?P<act>confirm|dismiss|skip|start):(?P<reply>\d+)",
):
    """Decides about a pair, or shows the next."""

    def __init__(self, act: Act, reply_id: int, *, disabled: bool = False) -> None:
        custom_id = f"nightshift:aside:{act}:{reply_id}"
        super().__init__(
            discord.ui.Button(label=_label(act), style=_STYLES[act], custom_id=custom_id, disabled=disabled)
        )
        self.act = act
        self.reply_id = reply_id

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        act: Act = match["act"]  # type: ignore[assignment]  # the template allows no other word
        return cls(act, int(match["reply"]))

    async def check(self, interaction: Interaction) -> None:
        interaction.client.moderators.require_server(interaction)

    async def use(self, interaction: Interaction) -> None:
        moderators, user = interaction.client.moderators, interaction.user
        waiting = await _waiting(interaction, moderators)
        index = next((index for index, one in enumerate(waiting) if one.reply_id == self.reply_id), None)
        if self.act in ("confirm", "dismiss"):
            if index is None:  # decided meanwhile, or another server's
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
            del waiting[index]
        else:
            told, index = None, 0 if index is None else index + 1
        embed, view = _page(waiting, waiting[index] if index < len(waiting) else None, user.id)
        await interaction.response.edit_message(content=told, embed=embed, view=view)
