"""The bot's own name, avatar and banner on one server. Discord keeps them; nothing is stored here."""

from __future__ import annotations

from typing import Any

import discord

from bot.errors import Refused
from bot.i18n.en import settings as texts

__all__ = ["LARGEST_IMAGE", "change_profile"]

LARGEST_IMAGE = 8_000_000
"""Bytes of an image that is passed on to Discord."""
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"RIFF")
"""Of PNG, JPEG, GIF and WebP."""


async def change_profile(
    guild: discord.Guild,
    *,
    name: str | None = None,
    avatar: discord.Attachment | None = None,
    banner: discord.Attachment | None = None,
) -> None:
    """Look on this server as given; without anything given, as everywhere.

    Raises:
        Refused: an image is too large or none, or Discord does not take the change.
    """
    changes: dict[str, Any] = {}
    if name is not None:
        changes["nick"] = name
    for option, file in (("avatar", avatar), ("banner", banner)):
        if file is not None:
            changes[option] = await _image(file)
    try:
        await guild.me.edit(**changes or {"nick": None, "avatar": None, "banner": None})
    except discord.Forbidden:
        raise Refused(texts.PROFILE_FORBIDDEN) from None
    except discord.HTTPException as error:
        if error.status >= 500:
            raise
        raise Refused(texts.PROFILE_NOT_TAKEN) from None


async def _image(file: discord.Attachment) -> bytes:
    image = await file.read() if file.size <= LARGEST_IMAGE else b""
    if not image.startswith(_BEGINNINGS):
        raise Refused(texts.profile_image(LARGEST_IMAGE // 1_000_000))
    return image
