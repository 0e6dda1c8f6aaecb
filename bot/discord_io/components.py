"""The base classes of buttons, selects and forms.

They type `interaction.client`, set the user's language, ask permission and answer errors. discord.py only logs what a
`DynamicItem` raises, so the answer must be given here.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar, cast

import discord

from bot.discord_io.interaction_errors import answered

if TYPE_CHECKING:
    from bot.client import NightshiftClient

__all__ = ["Component", "Interaction", "TextForm"]

Interaction: TypeAlias = "discord.Interaction[NightshiftClient]"
Submit: TypeAlias = "Callable[[Interaction, str], Awaitable[None]]"
Item = TypeVar("Item", bound="discord.ui.Item[Any]")


class Component(discord.ui.DynamicItem[Item], template=r"(?!)"):
    """A button or select that keeps all it needs in its custom id, so that it works after a restart."""

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        """The component with this custom id."""
        raise NotImplementedError

    async def check(self, interaction: Interaction) -> None:
        """Raises Refused for somebody who may not use it."""

    async def use(self, interaction: Interaction) -> None:
        """What it does. An error that it raises is answered."""
        raise NotImplementedError

    @classmethod
    async def from_custom_id(
        cls, _interaction: discord.Interaction[discord.Client], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        made = cls.from_match(match)
        made.item = cast("Item", item)  # a select's holds what was chosen
        return made

    @answered
    async def callback(self, interaction: discord.Interaction[discord.Client]) -> None:
        mine = cast("Interaction", interaction)
        await self.check(mine)
        await self.use(mine)


class TextForm(discord.ui.Modal):
    """A form with one text, which `submit` gets."""

    def __init__(
        self,
        submit: Submit,
        *,
        title: str,
        label: str,
        custom_id: str,
        default: str,
        placeholder: str | None = None,
        max_length: int,
        required: bool = True,
    ) -> None:
        super().__init__(title=title, timeout=3600)
        self._submit = submit
        self.text: discord.ui.TextInput[Self] = discord.ui.TextInput(
            style=discord.TextStyle.paragraph,
            custom_id=custom_id,
            default=default,
            placeholder=placeholder,
            required=required,
            max_length=max_length,
        )
        self.add_item(discord.ui.Label(text=label, component=self.text))

    @answered
    async def on_submit(self, interaction: discord.Interaction[discord.Client]) -> None:
        await self._submit(cast("Interaction", interaction), self.text.value)
