"""Whether a message is for the bot: where it answers, whom, and when it answers unprompted.

Plain decisions over plain values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bot.server.guild_settings import GuildSettings

__all__ = ["TriggerFacts", "addresses_by_name", "is_allowed", "trigger_of"]


@dataclass(frozen=True)
class TriggerFacts:
    """What decides whether a member's message is answered.

    Attributes:
        direct: it came as a direct message.
        mentions_bot: it mentions the bot or replies to it.
        names_bot: it begins or ends with the bot's name.
        mentions_others: it mentions or replies to somebody else.
        places: the channel it was sent in; for a thread, the thread's parent and the thread.
        roles: the author's roles.
    """

    direct: bool
    mentions_bot: bool
    names_bot: bool
    mentions_others: bool
    places: Sequence[int]
    roles: Sequence[int]


def trigger_of(
    facts: TriggerFacts, settings: GuildSettings, *, direct_messages: bool
) -> Literal["asked", "unprompted"] | None:
    """Whether to answer: because it was asked, or unprompted where that is allowed. None: do not answer."""
    if facts.direct:
        return "asked" if direct_messages else None
    if not is_allowed(settings, facts.places, facts.roles):
        return None
    if facts.mentions_bot:
        return "asked"
    if settings.talk == "off" or facts.mentions_others:
        return None
    return "unprompted" if settings.talk == "always" or facts.names_bot else None


def is_allowed(settings: GuildSettings, places: Sequence[int], roles: Sequence[int]) -> bool:
    """Whether the lists of channels and roles let the bot answer here, and this member."""

    def passes(allowed: Sequence[int], denied: Sequence[int], theirs: Sequence[int]) -> bool:
        return not set(denied) & set(theirs) and (not allowed or bool(set(allowed) & set(theirs)))

    return passes(settings.allowed_channels, settings.denied_channels, places) and passes(
        settings.allowed_roles, settings.denied_roles, roles
    )


def addresses_by_name(content: str, name: str) -> bool:
    """Whether a message addresses the bot by name: at its beginning or its end, with or without an @."""
    word = rf"(?<!\w)@?{re.escape(name)}(?!\w)"
    address = rf"\W*(?:(?:hey|hi|hello|okay|ok)\W+)?{word}|.*{word}\W*$"
    return bool(re.match(address, content, re.IGNORECASE | re.DOTALL))
