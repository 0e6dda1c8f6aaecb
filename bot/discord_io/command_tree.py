"""The command tree: every command speaks its user's language, and its errors are answered here."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.discord_io.interaction_errors import respond_with_error
from bot.i18n.language import speak

__all__ = ["CommandTree"]


class CommandTree(app_commands.CommandTree[Any]):
    """The tree of one client."""

    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        speak(str(interaction.locale))
        return True

    async def on_error(self, interaction: discord.Interaction, error: app_commands.AppCommandError, /) -> None:
        await respond_with_error(interaction, error)
