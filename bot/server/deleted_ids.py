"""Settings that name a channel or a role which exists no more: they are taken out, else they would hold for ever.

A list of allowed channels whose last one was deleted would mute the whole server, and nothing on Discord could name
that channel any more to take it off.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import discord

from bot.discord_io.retry import UNSENT
from bot.server.guild_settings import Actor, GuildSettingsCache
from storage.guild_settings import SERVER

__all__ = ["drop_deleted_ids", "without"]

_log = logging.getLogger(__name__)
_CHANNELS = ("allowed_channels", "denied_channels")
_ROLES = ("allowed_roles", "denied_roles")


async def drop_deleted_ids(guild_settings: GuildSettingsCache, guild: discord.Guild, me: Actor) -> bool:
    """Take out of a server's settings what was deleted; tells whether that opens what a list had closed."""
    made = {channel: dict(values) for channel, values in guild_settings.made(guild.id).items()}
    gone = await _gone_channels(guild, _channels_of(made)) | {
        one for one in _roles_of(made) if guild.get_role(one) is None
    }
    opened = False
    for channel_id, values in made.items():
        changes = dict.fromkeys(values) if channel_id in gone else without(values, gone)
        if changes:
            _log.info("Settings of server %s name what was deleted; taken out: %s", guild.id, ", ".join(changes))
            await guild_settings.change(me, guild.id, channel_id, changes)
        opened = opened or any(name in changes and not changes[name] for name in ("allowed_channels", "allowed_roles"))
    return opened


def without(values: Mapping[str, Any], gone: Collection[int]) -> dict[str, Any]:
    """What changes in stored settings where these ids are gone. Pure.

    The role that reviews stays: without it the operator's choice would hold, and nobody on the server chose that.
    """
    changes: dict[str, Any] = {}
    for name in (*_CHANNELS, *_ROLES):
        held = values.get(name) or []
        if left := [one for one in held if one not in gone]:
            changes |= {name: left} if len(left) < len(held) else {}
        elif held:
            changes[name] = None
    quotas = values.get("role_quotas") or {}
    kept = {role: quota for role, quota in quotas.items() if int(role) not in gone}
    if len(kept) < len(quotas):
        changes["role_quotas"] = kept or None
    if values.get("review_channel") in gone:
        changes["review_channel"] = None
    return changes


def _channels_of(made: Mapping[int, Mapping[str, Any]]) -> set[int]:
    places = {channel for channel in made if channel != SERVER}
    for values in made.values():
        places.update(*(values.get(name) or () for name in _CHANNELS))
        if values.get("review_channel"):
            places.add(int(values["review_channel"]))
    return places


def _roles_of(made: Mapping[int, Mapping[str, Any]]) -> set[int]:
    roles: set[int] = set()
    for values in made.values():
        roles.update(*(values.get(name) or () for name in _ROLES))
        roles.update(int(one) for one in values.get("role_quotas") or ())
    return roles


async def _gone_channels(guild: discord.Guild, ids: Iterable[int]) -> set[int]:
    """Those that Discord does not know. A thread that is not known here may only be archived, so Discord is asked."""
    gone: set[int] = set()
    for one in ids:
        if guild.get_channel_or_thread(one) is not None:
            continue
        try:
            await guild.fetch_channel(one)
        except (discord.NotFound, discord.InvalidData):
            gone.add(one)
        except UNSENT:  # may not be seen, or Discord does not say: it stays
            continue
    return gone
