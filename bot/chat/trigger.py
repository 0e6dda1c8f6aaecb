"""Whether a message is for the bot: where it talks, to whom, and when it speaks up by itself.

Plain decisions over plain values; what was said on Discord is read in bot/chat/history.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.server.guild_settings import GuildSettings

__all__ = ["Spoken", "named", "wanted", "welcome"]


@dataclass(frozen=True)
class Spoken:
    """A person's message, by how it stands to the bot.

    Attributes:
        direct: it came as a direct message.
        to_me: it mentions the bot or replies to it.
        names_me: it begins or ends with the bot's name.
        to_others: it mentions or replies to somebody else.
        places: the channel it was said in; for a thread, the thread's parent and the thread.
        roles: the author's roles.
    """

    direct: bool
    to_me: bool
    names_me: bool
    to_others: bool
    places: Sequence[int]
    roles: Sequence[int]


def wanted(spoken: Spoken, settings: GuildSettings, *, direct_messages: bool) -> Literal["asked", "overheard"] | None:
    """Whether to answer: because it was asked, or because an administrator opened the channel. None: not at all."""
    if spoken.direct:
        return "asked" if direct_messages else None
    if not welcome(settings, spoken.places, spoken.roles):
        return None
    if spoken.to_me:
        return "asked"
    if settings.talk == "off" or spoken.to_others:
        return None
    return "overheard" if settings.talk == "always" or spoken.names_me else None


def welcome(settings: GuildSettings, places: Sequence[int], roles: Sequence[int]) -> bool:
    """Whether the lists of channels and roles let the bot answer here, and this member."""

    def passes(allowed: Sequence[int], denied: Sequence[int], theirs: Sequence[int]) -> bool:
        return not set(denied) & set(theirs) and (not allowed or bool(set(allowed) & set(theirs)))

    return passes(settings.allowed_channels, settings.denied_channels, places) and passes(
        settings.allowed_roles, settings.denied_roles, roles
    )


def named(content: str, name: str) -> bool:
    """Whether a message addresses the bot by name: at its beginning or its end, with or without an @."""
    word = rf"(?<!\w)@?{re.escape(name)}(?!\w)"
    address = rf"\W*(?:(?:hey|hi|hello|okay|ok)\W+)?{word}|.*{word}\W*$"
    return bool(re.match(address, content, re.IGNORECASE | re.DOTALL))
