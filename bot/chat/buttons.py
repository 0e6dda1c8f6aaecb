"""The buttons below an answer: Stop while it grows, then Regenerate, Continue and Delete.

Their state is in their custom ids and in the store, so they work after a restart. bot/chat/incoming.py handles them.
"""

from __future__ import annotations

import re
from typing import Any, Self, TypeAlias

import discord

from bot.discord_io.components import Component, Interaction
from bot.i18n.en import texts

__all__ = [
    "ContinueButton",
    "DeleteButton",
    "RegenerateButton",
    "StopButton",
    "after",
    "below_question",
    "while_growing",
]

_Button: TypeAlias = "discord.ui.Button[Any]"


def while_growing(question_id: int) -> discord.ui.View:
    """Below an answer that is being written."""
    view = discord.ui.View(timeout=None)
    view.add_item(StopButton(question_id))
    return view


def after(finish_reason: str, *, quotes: bool = False) -> discord.ui.View:
    """Below a finished answer; one that was cut off has Continue, one that `quotes` the question has Delete."""
    view = discord.ui.View(timeout=None)
    view.add_item(RegenerateButton())
    if finish_reason != "stop":
        view.add_item(ContinueButton())
    if quotes:
        view.add_item(DeleteButton())
    return view


def below_question(*, quotes: bool) -> discord.ui.View | None:
    """Below a notice that quotes the question: the asker can delete it."""
    return discord.ui.View(timeout=None).add_item(DeleteButton()) if quotes else None


class StopButton(Component[_Button], template=r"nightshift:stop:(?P<question>\d+)"):
    """Stops the generation of an answer."""

    def __init__(self, question_id: int) -> None:
        custom_id = f"nightshift:stop:{question_id}"
        super().__init__(discord.ui.Button(label=texts.STOP, emoji="\u23f9", custom_id=custom_id))
        self.question_id = question_id

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(int(match["question"]))

    async def use(self, interaction: Interaction) -> None:
        await interaction.client.requests.stop(interaction, self.question_id)


class _PlainButton(Component[_Button], template=r"(?!)"):
    """A button whose custom id says what it does and nothing else."""

    def __init__(self) -> None:
        super().__init__(self.button())

    @classmethod
    def button(cls) -> _Button:
        """How it looks, in the language of the running task."""
        raise NotImplementedError

    @classmethod
    def from_match(cls, _match: re.Match[str]) -> Self:
        return cls()


class RegenerateButton(_PlainButton, template=r"nightshift:again"):
    """Answers the same question once more."""

    @classmethod
    def button(cls) -> _Button:
        return discord.ui.Button(label=texts.AGAIN, emoji="\U0001f501", custom_id="nightshift:again")

    async def use(self, interaction: Interaction) -> None:
        await interaction.client.requests.regenerate(interaction)


class ContinueButton(_PlainButton, template=r"nightshift:more"):
    """Continues an answer that was cut off."""

    @classmethod
    def button(cls) -> _Button:
        return discord.ui.Button(label=texts.MORE, emoji="\u23e9", custom_id="nightshift:more")

    async def use(self, interaction: Interaction) -> None:
        await interaction.client.requests.continue_answer(interaction)


class DeleteButton(_PlainButton, template=r"nightshift:delete"):
    """Deletes an answer to /ask with the question above it, which its asker could not delete."""

    @classmethod
    def button(cls) -> _Button:
        return discord.ui.Button(label=texts.DELETE, emoji="\U0001f5d1", custom_id="nightshift:delete")

    async def use(self, interaction: Interaction) -> None:
        await interaction.client.requests.delete(interaction)
