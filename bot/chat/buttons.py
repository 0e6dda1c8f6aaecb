"""The buttons below an answer: stop it while it grows; afterwards another one, more of it, or nothing.

All they need is in their custom ids and in the store, so they outlive the process that posted them. What they do, and
for whom, is bot/chat/incoming.py's.
"""

from __future__ import annotations

import re
from typing import Any, Self

import discord

from bot.i18n.en import texts

__all__ = ["AgainButton", "DeleteButton", "MoreButton", "StopButton", "after", "below_question", "while_growing"]


def while_growing(question_id: int) -> discord.ui.View:
    """Below an answer that is being written."""
    view = discord.ui.View(timeout=None)
    view.add_item(StopButton(question_id))
    return view


def after(finish_reason: str, *, quotes: bool = False) -> discord.ui.View:
    """Below a finished answer; one that did not end by itself can go on, one that `quotes` the question be deleted."""
    view = discord.ui.View(timeout=None)
    view.add_item(AgainButton())
    if finish_reason != "stop":
        view.add_item(MoreButton())
    if quotes:
        view.add_item(DeleteButton())
    return view


def below_question(*, quotes: bool) -> discord.ui.View | None:
    """Below what is no answer, where it stands under the question: who asked can take that away."""
    return discord.ui.View(timeout=None).add_item(DeleteButton()) if quotes else None


class StopButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"nightshift:stop:(?P<question>\d+)"):
    """Ends an answer here."""

    def __init__(self, question_id: int) -> None:
        custom_id = f"nightshift:stop:{question_id}"
        super().__init__(discord.ui.Button(label=texts.STOP, emoji="\u23f9", custom_id=custom_id))
        self.question_id = question_id

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(int(match["question"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.client.requests.stop(interaction, self.question_id)


class AgainButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"nightshift:again"):
    """Answers the same question once more."""

    def __init__(self) -> None:
        super().__init__(discord.ui.Button(label=texts.AGAIN, emoji="\U0001f501", custom_id="nightshift:again"))

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], _match: re.Match[str], /
    ) -> Self:
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.client.requests.again(interaction)


class MoreButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"nightshift:more"):
    """Goes on where the answer broke off."""

    def __init__(self) -> None:
        super().__init__(discord.ui.Button(label=texts.MORE, emoji="\u23e9", custom_id="nightshift:more"))

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], _match: re.Match[str], /
    ) -> Self:
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.client.requests.more(interaction)


class DeleteButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"nightshift:delete"):
    """Deletes an answer to /ask with the question above it: it stands in the bot's message, so nobody else could."""

    def __init__(self) -> None:
        super().__init__(discord.ui.Button(label=texts.DELETE, emoji="\U0001f5d1", custom_id="nightshift:delete"))

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], _match: re.Match[str], /
    ) -> Self:
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.client.requests.delete(interaction)
