"""Says once, in the log, that anybody may invite the bot, and how the operator switches that off."""

from __future__ import annotations

import logging

import discord

from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["mention_public_bot"]

_log = logging.getLogger(__name__)
_SAID = "public_bot_said"


async def mention_public_bot(store: AsyncStore, application: discord.AppInfo | None) -> bool:
    """Say it, unless the application is not public or it was said on this home before; returns whether it was."""
    if application is None or not application.bot_public:
        return False
    said: str | None = await store.call(Store.state, _SAID)
    if said:
        return False
    await store.call(Store.set_state, _SAID, "1")
    _log.warning(
        "Everybody who knows this bot's id can invite it to their server. To keep it to yourself: open "
        "https://discord.com/developers/applications/%d, set Installation > Install Link to None and save, then "
        "switch Bot > Public Bot off and save.",
        application.id,
    )
    return True
