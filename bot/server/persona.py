"""The form in which administrators write who the bot is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Self

import discord

from bot.i18n.en import settings as texts

__all__ = ["PERSONA_LIMIT", "PersonaForm"]

PERSONA_LIMIT = 2000  # characters; it is in every prompt, so it takes room from the conversation


class PersonaForm(discord.ui.Modal):
    """`keep` gets the text, without white space around it; an empty one goes back to the default."""

    def __init__(self, text: str, keep: Callable[[discord.Interaction[Any], str], Awaitable[None]]) -> None:
        super().__init__(title=texts.PERSONA_TITLE, timeout=3600)
        self._keep = keep
        self.persona: discord.ui.TextInput[Self] = discord.ui.TextInput(
            style=discord.TextStyle.paragraph,
            custom_id="persona",
            default=text,
            placeholder=texts.PERSONA_HINT,
            required=False,
            max_length=PERSONA_LIMIT,
        )
        self.add_item(discord.ui.Label(text=texts.PERSONA_LABEL, component=self.persona))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        await self._keep(interaction, self.persona.value.strip())
