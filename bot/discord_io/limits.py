"""How much Discord takes: the one place that fits what is said into it, after everything was put together.

A text that is too long by one character costs the whole message (400), so nothing is measured before it is quoted,
listed or translated: `Embed` fits itself when it is sent, `content` what stands outside of one. Both make harmless what
they hold (bot/discord_io/sanitize.py). Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import discord

from bot.discord_io.excerpts import short
from bot.discord_io.sanitize import harmless

__all__ = ["CHOICE", "CONTENT", "FORM", "Embed", "choices", "content", "fitted"]

CONTENT = 2000
FORM = 4000
CHOICE = 100
_ALL = 6000  # characters of an embed, everything together
_FIELDS = 25
_NOTHING = "\u200b"  # Discord refuses an empty field


class Embed(discord.Embed):
    """An embed that Discord takes, whatever was put into it."""

    def to_dict(self) -> Any:
        return fitted(dict(super().to_dict()))


def content(text: str) -> str:
    """What a message says outside of an embed."""
    return short(harmless(text), CONTENT)


def choices(names: list[str]) -> list[str]:
    """What can be offered while somebody types: as many as Discord shows, and none that it could not send back."""
    return [one for one in names if one.strip() and len(one) <= CHOICE][:25]


def fitted(embed: dict[str, Any]) -> dict[str, Any]:
    """An embed in Discord's own form, with every part as long as it may be; what was cut off is marked."""
    embed["fields"] = [dict(field) for field in embed.get("fields", ())][:_FIELDS]
    for part, name, limit in _parts(embed):
        if part.get(name) is not None:
            part[name] = short(harmless(str(part[name])).strip(), limit)
    for field in embed["fields"]:
        field["name"], field["value"] = field["name"] or _NOTHING, field["value"] or _NOTHING
    while (over := _length(embed) - _ALL) > 0:
        part, name, _ = max(_parts(embed), key=lambda one: len(one[0].get(one[1]) or ""))
        part[name] = short(part[name], max(1, len(part[name]) - over))
    if not embed["fields"]:
        del embed["fields"]
        if not any(embed.get(name) for name in ("title", "description", "image", "author", "footer")):
            embed["description"] = _NOTHING
    return embed


def _parts(embed: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, int]]:
    """Where texts stand in an embed, and how long each may be."""
    yield embed, "title", 256
    yield embed, "description", 4096
    if embed.get("author"):
        yield embed["author"], "name", 256
    if embed.get("footer"):
        yield embed["footer"], "text", 2048
    for field in embed["fields"]:
        yield field, "name", 256
        yield field, "value", 1024


def _length(embed: dict[str, Any]) -> int:
    return sum(len(part.get(name) or "") for part, name, _ in _parts(embed))
