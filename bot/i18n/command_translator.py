"""How Discord shows the bot's commands in the languages of its members.

Descriptions, parameters, choices and the entries of the Apps menu are translated. The names of slash commands stay as
they are: a message that tells somebody to type `/privacy opt-in` is read by people of every language.
"""

from __future__ import annotations

import importlib

import discord
from discord import app_commands

from bot.i18n.language import known

__all__ = ["CommandTranslator", "translatable"]

_Place = app_commands.TranslationContextLocation
_KEPT = {_Place.group_name, _Place.parameter_name}


def translatable(context: app_commands.TranslationContextTypes) -> bool:
    """Whether what stands there is shown in the member's language."""
    if context.location is _Place.command_name:
        return isinstance(context.data, app_commands.ContextMenu)
    return context.location not in _KEPT


class CommandTranslator(app_commands.Translator):
    """Finds the words in `bot/i18n/<language>/commands.py`, by the English ones."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        spoken = known(str(locale))
        if spoken == "en" or not translatable(context):
            return None
        translated: dict[str, str] = importlib.import_module(f"bot.i18n.{spoken}.commands").COMMANDS
        return translated.get(string.message)
