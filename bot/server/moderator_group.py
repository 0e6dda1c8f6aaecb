"""The base class of the moderators' slash commands: one place asks permission for every command of a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import discord
from discord import app_commands

from bot.errors import Refused

if TYPE_CHECKING:
    from bot.discord_io.components import Interaction

__all__ = ["ModeratorGroup", "allowed_by"]

Require = Callable[["Interaction"], discord.Guild]


def allowed_by(require: Require) -> Callable[[discord.Interaction[discord.Client]], bool]:
    """A check for a command. `require` raises Refused, and the command's user reads why."""

    def check(interaction: discord.Interaction[discord.Client]) -> bool:
        try:
            require(cast("Interaction", interaction))
        except Refused as error:
            raise app_commands.CheckFailure from error  # the tree answers only errors of this kind
        return True

    return check


class ModeratorGroup(app_commands.Group):
    """A group of commands for those whom `require` lets through."""

    def __init__(self, require: Require) -> None:
        super().__init__()
        self._allowed = allowed_by(require)

    async def interaction_check(self, interaction: discord.Interaction[discord.Client], /) -> bool:
        return self._allowed(interaction)
