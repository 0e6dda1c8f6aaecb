"""Messages that were deleted while the bot was offline: they are removed from the store when it is back.

Discord tells a bot of a deletion only while it listens. So after each start, and after a connection that could not be
resumed, the newest stored conversations are compared with what still exists on Discord, a hundred messages with each
request and a limited number of requests.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import discord

from bot.discord_io.retry import UNSENT
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["deleted_while_offline", "in_deleted_threads"]

_log = logging.getLogger(__name__)
_REPLIES = 1000  # the newest
_REQUESTS = 50
_PAGE = 100  # messages; Discord gives no more at once


async def deleted_while_offline(
    client: discord.Client, store: AsyncStore, days: float, now: datetime | None = None
) -> list[int]:
    """Messages of stored conversations that no longer exist on Discord.

    Args:
        client: connected; only servers it is on, and direct messages, are looked at.
        store: the store.
        days: how far to look back; 0 is as far as there is anything.
        now: the time; the host's by default.
    """
    since = ((now or datetime.now(UTC)) - timedelta(days=days)).isoformat(timespec="milliseconds") if days else ""
    stored = await store.call(Store.stored_messages, since, _REPLIES)
    here = {guild.id for guild in client.guilds if not guild.unavailable}
    gone: list[int] = []
    left = _REQUESTS
    for (guild_id, channel_id), ids in sorted(stored.items(), key=lambda place: place[1][0], reverse=True):
        if guild_id is not None and guild_id not in here:
            continue
        if left <= 0:
            _log.info("Looked back as far as %d requests go", _REQUESTS)
            break
        try:
            missing, spent = await _missing(client, channel_id, ids, left)
        except discord.Forbidden:  # the bot may no longer read there
            left -= 1
            continue
        except UNSENT:
            _log.warning("Could not look back in channel %s", channel_id, exc_info=True)
            left -= 1
            continue
        gone += missing
        left -= spent
    if gone:
        _log.info("%d messages were deleted while the bot was offline", len(gone))
    return gone


async def in_deleted_threads(client: discord.Client, store: AsyncStore, channel: discord.abc.GuildChannel) -> list[int]:
    """Messages of threads that went with a deleted channel, and of which nobody knows that they belonged to it.

    Discord tells of a channel's deletion only, the client knows no archived threads, and an earlier version did not
    keep whose threads they are: so Discord is asked of each place whose words are stored and that is not known.
    """
    if not isinstance(channel, discord.TextChannel | discord.ForumChannel):
        return []
    gone: list[int] = []
    for place in await store.call(Store.channels, channel.guild.id):
        if place == channel.id or channel.guild.get_channel_or_thread(place) is not None:
            continue
        try:
            await client.fetch_channel(place)
        except discord.NotFound:
            gone += await store.call(Store.messages_in, place)
        except UNSENT:
            _log.warning("Could not look whether channel %s is still there", place, exc_info=True)
    return gone


async def _missing(client: discord.Client, channel_id: int, ids: Sequence[int], limit: int) -> tuple[list[int], int]:
    """Which of these messages (newest first) a channel no longer has, and the requests that it took to find out."""
    channel: Any = client.get_channel(channel_id)
    spent = 0
    if channel is None:
        try:
            channel, spent = await client.fetch_channel(channel_id), 1
        except discord.NotFound:  # and all that was said in it
            return list(ids), 1
    missing: list[int] = []
    rest = list(ids)
    while rest and spent < limit:
        page = [one.id async for one in channel.history(limit=_PAGE, before=discord.Object(rest[0] + 1))]
        spent += 1
        reached = page[-1] if len(page) == _PAGE else 0
        missing += [one for one in rest if one >= reached and one not in set(page)]
        rest = [one for one in rest if one < reached]
    return missing, spent
