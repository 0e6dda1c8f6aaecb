"""What the bot asks of Discord's gateway: the events that it wants, and over which connections they come. Pure."""

from __future__ import annotations

from typing import Any

import discord

from bot.shards import Shards

__all__ = ["intents", "sharding"]


def intents(*, message_content: bool, reactions: bool = False) -> discord.Intents:
    """Only what is used: servers, their emoji and messages; message content and reactions where that is set."""
    wanted = discord.Intents.none()
    wanted.guilds = wanted.guild_messages = wanted.dm_messages = True
    wanted.guild_reactions = reactions
    wanted.expressions = True  # the server's own emoji, as they change
    wanted.message_content = message_content
    return wanted


def sharding(shards: Shards) -> dict[str, Any]:
    """How a client of discord.py is told of shards; nothing where there are none."""
    return {"shard_count": shards.count, "shard_ids": list(shards.ids) or None} if shards.count else {}
