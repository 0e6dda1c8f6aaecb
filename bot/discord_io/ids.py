"""Ids as settings name them: of a channel with its parent, and of the roles somebody has."""

from __future__ import annotations

from typing import Any

import discord

__all__ = ["places_of", "roles_of"]


def places_of(channel: Any) -> tuple[int, ...]:
    """Ids of a channel; for a thread its parent's and its own."""
    parent = getattr(channel, "parent_id", None) if isinstance(channel, discord.Thread) else None
    return (parent, channel.id) if parent else (channel.id,)


def roles_of(author: discord.abc.User) -> tuple[int, ...]:
    """Ids of the roles somebody has on the server at hand."""
    return tuple(role.id for role in author.roles) if isinstance(author, discord.Member) else ()
