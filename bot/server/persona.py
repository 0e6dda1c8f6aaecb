"""The form in which administrators write the persona."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Self

import discord

from bot.discord_io.interaction_errors import answered
from bot.i18n.en import settings as texts

__all__ = ["PERSONA_LIMIT", "PersonaForm"]

PERSONA_LIMIT = 2000  # characters; it is in every prompt, so it leaves less of the context for the conversation


class PersonaForm(discord.ui.Modal):
    """`save` gets the text, stripped of white space; an empty one goes back to the default."""

    def __init__(self, text: str, save: Callable[[discord.Interaction, str], Awaitable[None]]) -> None:
        super().__init__(title=texts.PERSONA_TITLE, timeout=3600)
        self._save = save
        self.persona: discord.ui.TextInput[Self] = discord.ui.TextInput(
            style=discord.TextStyle.paragraph,
            custom_id="persona",
            default=text[:PERSONA_LIMIT],
            placeholder=texts.PERSONA_HINT,
            required=False,
            max_length=PERSONA_LIMIT,
        )
        self.add_item(discord.ui.Label(text=texts.PERSONA_LABEL, component=self.persona))

    @answered
    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        await self._save(interaction, self.persona.value.strip())
