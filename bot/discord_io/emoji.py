"""A server's own emoji in an answer: the model reads and writes `:party:`, Discord wants `<:party:123>`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import discord

__all__ = ["emoji_of", "with_emoji"]

_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
_SHORTCODE = re.compile(r"(?<![\w:<]):(\w{2,32}):(?![\w:]|\d*>)")


def emoji_of(guild: discord.Guild | None) -> dict[str, str]:
    """What each emoji of the server is written as, by its name; only those that the bot may use."""
    return {one.name: str(one) for one in guild.emojis if one.is_usable()} if guild is not None else {}


def with_emoji(text: str, emoji: Mapping[str, str]) -> str:
    """The text with the server's emoji for their names, outside code."""
    if not emoji or ":" not in text:
        return text
    parts = _CODE.split(text)
    parts[::2] = [_SHORTCODE.sub(lambda match: emoji.get(match[1], match[0]), part) for part in parts[::2]]
    return "".join(parts)
