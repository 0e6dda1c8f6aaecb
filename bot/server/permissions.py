"""Who may review and steer the bot, and what the bot itself must be allowed: one rule each, asked wherever it matters.

Discord hides commands by permission but not buttons, and an administrator may change what is hidden; so nothing here
relies on it.
"""

from __future__ import annotations

from collections.abc import Iterable

import discord

from bot.errors import Refused
from bot.i18n.en import texts

__all__ = [
    "BOT_PERMISSIONS",
    "REVIEW_PERMISSIONS",
    "invitation",
    "is_moderator",
    "matches",
    "missing_permissions",
    "require_administrator",
]

BOT_PERMISSIONS = (
    "view_channel",  # to be asked
    "send_messages",
    "send_messages_in_threads",
    "read_message_history",  # to answer as a reply, and to read what was said before
    "embed_links",  # cards, reports and notices are embeds
    "attach_files",  # loss curves and exports
)
"""All that the bot ever needs on a server, as discord.py names it. An invitation asks for exactly these."""

REVIEW_PERMISSIONS = ("view_channel", "send_messages", "embed_links", "read_message_history", "attach_files")
"""Those of them that it needs in a review channel."""

_SCOPES = ("bot", "applications.commands")


def invitation(application_id: int | str) -> str:
    """The link by which an application is invited with these permissions."""
    return discord.utils.oauth_url(application_id, permissions=_permissions(BOT_PERMISSIONS), scopes=_SCOPES)


def missing_permissions(held: discord.Permissions, needed: Iterable[str] = BOT_PERMISSIONS) -> list[str]:
    """Which of these the bot does not have."""
    return [] if held.administrator else [name for name in needed if not getattr(held, name)]


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
    """The server, if the user may manage it. Raises Refused."""
    if interaction.guild is None:
        raise Refused(texts.SERVER_ONLY)
    if not interaction.permissions.manage_guild:
        raise Refused(texts.NOT_ADMINISTRATOR)
    return interaction.guild


def _permissions(names: Iterable[str]) -> discord.Permissions:
    return discord.Permissions(**dict.fromkeys(names, True))
