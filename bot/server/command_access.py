"""Which of the bot's commands Discord shows to a role, and which it hides.

By Discord's rules (Help Center, "Updates to Command Permissions"): what a server's administrator set for a command
goes first, the role's before everybody's; without that, the command's own required permissions decide. Only a person
can set it (the request takes a Bearer token), so the bot can only look and say what to click.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import discord
from discord import app_commands

__all__ = ["command_name", "hidden_from", "is_hidden"]

Override = app_commands.AppCommandPermissions
_MODERATION = discord.Permissions(manage_messages=True)  # what the moderators' commands ask for


async def hidden_from(role: discord.Role, commands: Iterable[app_commands.AppCommand]) -> list[str]:
    """The moderators' commands that members with this role do not see, by name. Raises discord.HTTPException."""
    if _holds(role):
        return []
    guarded = [one for one in commands if one.default_member_permissions == _MODERATION]
    overrides = await asyncio.gather(*(_overrides(one, role.guild) for one in guarded))
    return [
        command_name(one)
        for one, set_here in zip(guarded, overrides, strict=True)
        if is_hidden(role.id, role.guild.id, set_here)
    ]


def is_hidden(role_id: int, everyone_id: int, overrides: Sequence[Override]) -> bool:
    """Whether a command that asks for a permission the role lacks stays hidden, with what is set for it here. Pure."""
    allowed = {one.id: one.permission for one in overrides if one.type is discord.AppCommandPermissionType.role}
    return not allowed.get(role_id, allowed.get(everyone_id, False))


def command_name(command: app_commands.AppCommand) -> str:
    """As Discord shows it: /review, or the name of an entry of the menu Apps."""
    return f"/{command.name}" if command.type is discord.AppCommandType.chat_input else command.name


def _holds(role: discord.Role) -> bool:
    held = role.permissions | role.guild.default_role.permissions
    return held.administrator or _MODERATION.is_subset(held)


async def _overrides(command: app_commands.AppCommand, guild: discord.Guild) -> Sequence[Override]:
    try:
        return (await command.fetch_permissions(guild)).permissions
    except discord.NotFound:  # nobody has changed anything
        return ()
