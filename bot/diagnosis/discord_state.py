"""What Discord says of this bot: its name and intents, the clock, its commands, and each server's review channel.

Asked over HTTP alone, so that a bot that runs already is not disturbed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import discord
from discord import app_commands

from bot.server.command_access import command_name, hidden_from
from bot.server.permissions import REVIEW_PERMISSIONS, matches, missing_permissions

__all__ = ["ApplicationState", "Choice", "ServerState", "application_state", "clock_ahead", "server_states"]

_MOST_SERVERS = 20  # looked at: each takes a few requests


@dataclass(frozen=True, slots=True)
class Choice:
    """The review channel and the moderator role of a server, as its settings or the operator's name them."""

    review_channel: int | str | None
    moderator_role: int | str | None


@dataclass(frozen=True, slots=True)
class ApplicationState:
    """The bot as an application. `commands` are the names of those that Discord has."""

    id: int
    name: str
    message_content: bool
    public: bool
    commands: Sequence[str]


@dataclass(frozen=True, slots=True)
class ServerState:
    """One server the bot is on.

    Attributes:
        review: the review channel's name; None where none is set.
        found: whether the channel that is set is there.
        missing: permissions that the bot lacks in it.
        public: whether everybody can read it.
        role: the moderator role's name; None where none is set or it is not there.
        hidden: commands that this role does not see.
        lacking: permissions that the bot does not have on the server as a whole.
    """

    name: str
    review: str | None
    found: bool
    missing: Sequence[str]
    public: bool
    role: str | None
    hidden: Sequence[str]
    lacking: Sequence[str] = ()


async def application_state(client: discord.Client) -> ApplicationState:
    """What Discord knows of the application of a client that is logged in."""
    info = await client.application_info()
    flags = info.flags
    commands = await _tree(client).fetch_commands()
    return ApplicationState(
        info.id,
        str(client.user),
        flags.gateway_message_content or flags.gateway_message_content_limited,
        info.bot_public,
        sorted(command_name(one) for one in commands),
    )


async def server_states(client: discord.Client, choices: Mapping[int, Choice], default: Choice) -> list[ServerState]:
    """The servers, in the order of their names; `choices` by id are their own settings."""
    commands = await _tree(client).fetch_commands()
    found = [one.id async for one in client.fetch_guilds(limit=_MOST_SERVERS)]
    states = [await _server(client, one, choices.get(one, default), commands) for one in found]
    return sorted(states, key=lambda one: one.name.casefold())


async def clock_ahead() -> timedelta | None:
    """By how much this machine's clock is ahead of Discord's; None where it does not tell. Needs no token.

    Raises aiohttp.ClientError, TimeoutError.
    """
    async with aiohttp.ClientSession() as session, session.get(f"{discord.http.Route.BASE}/gateway") as answer:
        date = answer.headers.get("Date", "")
    try:
        return datetime.now(UTC) - parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None


async def _server(
    client: discord.Client, guild_id: int, choice: Choice, commands: Sequence[app_commands.AppCommand]
) -> ServerState:
    guild = await client.fetch_guild(guild_id)
    channels = [one for one in await guild.fetch_channels() if isinstance(one, discord.TextChannel)]
    channel = next((one for one in channels if matches(choice.review_channel, one.id, one.name)), None)
    role = next((one for one in guild.roles if matches(choice.moderator_role, one.id, one.name)), None)
    me = await guild.fetch_member(client.user.id if client.user is not None else 0)
    missing = missing_permissions(channel.permissions_for(me), REVIEW_PERMISSIONS) if channel is not None else ()
    named = None if choice.review_channel is None else str(choice.review_channel)
    return ServerState(
        guild.name,
        channel.name if channel else named,
        channel is not None,
        missing,
        channel is not None and channel.permissions_for(guild.default_role).view_channel,
        role.name if role else None,
        await hidden_from(role, commands) if role else (),
        missing_permissions(me.guild_permissions),
    )


def _tree(client: discord.Client) -> app_commands.CommandTree[Any]:
    """The client's own tree, or one of this look; a client can have only one."""
    tree: app_commands.CommandTree[Any] | None = client._connection._command_tree  # noqa: SLF001 - as above
    return tree if tree is not None else app_commands.CommandTree(client)
