"""Answering an interaction in time: Discord waits three seconds for the first sign, and a question may take longer.

What is quick is answered at once. Otherwise Discord shows that the bot is thinking, until the answer takes that place.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import discord

from bot.discord_io.retry import UNSENT

__all__ = ["in_time", "redraw", "respond"]

T = TypeVar("T")
_DEFER_AFTER_S = 1.5  # of the three seconds; the rest is for the way to Discord


async def in_time(interaction: discord.Interaction, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. The interaction is deferred if that takes long; `respond` and `redraw` know both cases."""
    task = asyncio.ensure_future(work)
    try:
        if not await _is_quick(task) and not interaction.response.is_done():
            with contextlib.suppress(*UNSENT):  # the work is done anyway
                if interaction.type is discord.InteractionType.application_command:
                    await interaction.response.defer(ephemeral=True, thinking=True)
                else:
                    await interaction.response.defer()
        return await task
    finally:
        task.cancel()


async def _is_quick(work: asyncio.Task[Any]) -> bool:
    done, _ = await asyncio.wait([work], timeout=_DEFER_AFTER_S)
    return bool(done)


async def respond(interaction: discord.Interaction, **said: Any) -> None:
    """Answer a command or a button, for its user alone."""
    if not interaction.response.is_done():
        await interaction.response.send_message(**said, ephemeral=True)
    elif interaction.type is discord.InteractionType.application_command:
        await interaction.edit_original_response(**said)
    else:  # the original is the message whose button was used, and others read it
        await interaction.followup.send(**said, ephemeral=True)


async def redraw(interaction: discord.Interaction, **said: Any) -> None:
    """Change the message whose button or form was used."""
    if interaction.response.is_done():
        await interaction.edit_original_response(**said)
    else:
        await interaction.response.edit_message(**said)
