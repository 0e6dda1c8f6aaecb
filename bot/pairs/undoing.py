"""/pairs undo-moderator: takes back all that one moderator decided on a server since a time, and puts it back.

For administrators: it changes what others decided, too. The button names the undoing, so it works after a restart.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Self

import discord

from bot.discord_io.components import Component, Interaction
from bot.discord_io.deferral import in_time, respond
from bot.discord_io.sanitize import harmless
from bot.errors import Refused
from bot.i18n.en import undoings as words
from bot.moments import past_moment
from bot.server.moderators import Moderators
from bot.server.permissions import require_administrator
from storage.review_records import Undoing
from storage.store import Store

__all__ = ["PutBackButton", "undo_moderator"]

_DRAWN = 20  # cards


async def undo_moderator(interaction: Interaction, moderators: Moderators, who: discord.abc.User, since: str) -> None:
    """Take back what somebody decided. Raises Refused, and what the store raises."""
    guild = require_administrator(interaction)
    moment = past_moment(since, datetime.now(UTC))
    if moment is None:
        raise Refused(words.BAD_SINCE)
    by = interaction.user
    undone: Undoing = await in_time(
        interaction,
        moderators.store.call(
            Store.undo_moderator, who.id, moment, actor=by.display_name, actor_id=by.id, guild_id=guild.id
        ),
    )
    view = discord.ui.View(timeout=None)
    view.add_item(PutBackButton(undone.id))
    text = words.undone(harmless(who.display_name), len(undone.replies), undone.decisions, len(undone.adapters))
    await respond(interaction, content=text, view=view)
    await _show(interaction, guild, undone)


async def _show(interaction: Interaction, guild: discord.Guild, changed: Undoing) -> None:
    """Draw the first cards anew; the outbox draws the others in its rounds."""
    for reply_id in changed.replies[:_DRAWN]:
        await interaction.client.outbox.carry_out(reply_id, "verdict")
        await interaction.client.review.changed(guild, reply_id)


class PutBackButton(Component[discord.ui.Button[discord.ui.View]], template=r"nightshift:undoing:(?P<number>\d+)"):
    """Reverses an undoing."""

    def __init__(self, number: int) -> None:
        super().__init__(
            discord.ui.Button(
                label=words.PUT_BACK, style=discord.ButtonStyle.secondary, custom_id=f"nightshift:undoing:{number}"
            )
        )
        self.number = number

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match["number"]))

    async def check(self, interaction: Interaction) -> None:
        require_administrator(interaction)

    async def use(self, interaction: Interaction) -> None:
        guild, by = require_administrator(interaction), interaction.user
        back: Undoing = await interaction.client.moderators.store.call(
            Store.redo_moderator, self.number, actor=by.display_name, actor_id=by.id, guild_id=guild.id
        )
        text = words.put_back(len(back.replies), back.decisions)
        await interaction.response.edit_message(content=text, view=None)
        await _show(interaction, guild, back)
