"""Who may review and steer the bot: one rule, asked again in every callback.

Discord hides commands by permission but not buttons, and an administrator may change what is hidden; so nothing here
relies on it.
"""

from __future__ import annotations

import discord

from bot.errors import Refused
from bot.i18n.en import texts

__all__ = ["is_moderator", "matches", "require_administrator"]


def matches(wanted: int | str | None, id_: int, name: str) -> bool:
    """Whether a role or channel is the one a setting names, by id or by name (with or without @ or #)."""
    if wanted is None:
        return False
    if isinstance(wanted, int) or wanted.isdecimal():
        return int(wanted) == id_
    return wanted.lstrip("@#").casefold() == name.casefold()


def is_moderator(member: discord.abc.User, permissions: discord.Permissions, role: int | str | None) -> bool:
    """Whether `member`, with these permissions in the channel at hand, may review. Never true outside a server."""
    if not isinstance(member, discord.Member):
        return False
    return permissions.manage_messages or any(matches(role, one.id, one.name) for one in member.roles)


def require_administrator(interaction: discord.Interaction) -> discord.Guild:
    """The server, if whoever acts may manage it. Raises Refused."""
    if interaction.guild is None:
        raise Refused(texts.SERVER_ONLY)
    if not interaction.permissions.manage_guild:
        raise Refused(texts.NOT_ADMINISTRATOR)
    return interaction.guild
