"""/setup, which helps to set up a server, and /hold, which sends a channel's answers to moderators first.

What is chosen here is a server's own setting (bot/server/guild_settings.py). It is stored, audited, and holds at once.
The form is one message. Its buttons and selects carry all they need in their custom ids, so it survives a restart.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Self

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.components import Component, Interaction
from bot.discord_io.deferral import in_time, redraw, respond
from bot.discord_io.excerpts import short
from bot.discord_io.retry import UNSENT
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.i18n.language import speaking
from bot.server.command_access import hidden_from
from bot.server.guild_settings import Actor
from bot.server.message_content import about_message_content
from bot.server.moderators import Moderators
from bot.server.permissions import REVIEW_PERMISSIONS, missing_permissions, require_administrator
from bot.server.persona import persona_form

__all__ = ["SetupChannel", "SetupForm", "SetupRole", "SetupStep", "hold_command", "setup_command"]

_SHOWN = 200  # characters of a persona


class SetupForm:
    """Answers what is chosen in the form."""

    def __init__(self, moderators: Moderators, consent: Literal["members", "operator"]) -> None:
        self._moderators = moderators
        self._consent = consent

    async def begin(self, interaction: discord.Interaction) -> None:
        guild = require_administrator(interaction)
        embed, view = await in_time(interaction, self._form(interaction, guild))
        await respond(interaction, embed=embed, view=view)

    async def choose(self, interaction: discord.Interaction, name: str, value: int) -> None:
        """A channel or a role was picked. One of another server is refused."""
        guild = require_administrator(interaction)
        theirs = guild.get_role(value) if name == "moderator_role" else guild.get_channel(value)
        if theirs is None:
            raise Refused(words.SETUP_ELSEWHERE)
        await self._change(interaction, guild, name, value)
        await self._redraw(interaction, guild)

    async def persona(self, interaction: discord.Interaction) -> None:
        guild = require_administrator(interaction)

        async def save(submitted: discord.Interaction, text: str) -> None:
            await self._change(submitted, require_administrator(submitted), "persona", text.strip() or None)
            await self._redraw(submitted, guild)

        await interaction.response.send_modal(persona_form(self._moderators.guild_settings.of(guild.id).persona, save))

    async def tell_members(self, interaction: discord.Interaction) -> None:
        """Post in this channel how to opt in."""
        if not self._moderators.training_servers.learns_from(require_administrator(interaction).id):
            raise Refused(texts.NOT_LEARNING_HERE)
        if not isinstance(interaction.channel, discord.abc.Messageable):
            raise Refused(texts.SERVER_ONLY)
        learned = await self._moderators.training_servers.learned_words()
        with speaking(self._moderators.locale(interaction.guild)):
            said = f"{words.CONSENT_POST} {texts.LEARNED_WORDS[learned]}".strip()
        await self._moderators.note(interaction, "setup.consent", str(interaction.channel_id))  # then it is done
        await interaction.channel.send(said)
        await interaction.response.send_message(words.CONSENT_POSTED, ephemeral=True)

    async def redraw(self, interaction: discord.Interaction) -> None:
        """Show the form with what has just been changed."""
        await self._redraw(interaction, require_administrator(interaction))

    async def _change(self, interaction: discord.Interaction, guild: discord.Guild, name: str, value: Any) -> None:
        actor = Actor(interaction.user.id, interaction.user.display_name)
        await self._moderators.guild_settings.change(actor, guild.id, 0, {name: value})

    async def _redraw(self, interaction: discord.Interaction, guild: discord.Guild) -> None:
        embed, view = await in_time(interaction, self._form(interaction, guild))
        await redraw(interaction, embed=embed, view=view)

    async def _form(
        self, interaction: discord.Interaction, guild: discord.Guild
    ) -> tuple[discord.Embed, discord.ui.View]:
        """The form with the present settings."""
        moderators = self._moderators
        channel = moderators.review_channel(guild)
        wanted = moderators.role(guild.id)
        role = next((one for one in guild.roles if wanted in (one.id, one.name, str(one.id))), None)
        embed = limits.Embed(title=words.SETUP_TITLE, colour=discord.Colour.blurple())
        where = f"{channel.mention}\n{_warnings(channel)}" if channel else words.SETUP_NOT_SET
        embed.add_field(name=words.SETUP_CHANNEL, value=where.strip(), inline=False)
        seen = f"{role.mention}\n{await _hidden(interaction, role)}".strip() if role else words.SETUP_NOT_SET
        embed.add_field(name=words.SETUP_ROLE, value=seen, inline=False)
        persona = moderators.guild_settings.of(guild.id).persona
        embed.add_field(name=words.SETUP_PERSONA, value=short(persona, _SHOWN) or words.SETUP_NOT_SET, inline=False)
        about, permission = await about_message_content(moderators)
        embed.add_field(name=words.SETUP_CONSENT, value=words.CONSENT_RULE[self._consent], inline=False)
        embed.add_field(name=words.SETUP_MESSAGE_CONTENT, value=about, inline=False)
        view = discord.ui.View(timeout=None)
        view.add_item(SetupChannel()).add_item(SetupRole())
        view.add_item(SetupStep("persona"))
        if self._consent == "members":
            view.add_item(SetupStep("consent"))
        if permission is not None:
            view.add_item(permission)
        return embed, view


async def _hidden(interaction: discord.Interaction, role: discord.Role) -> str:
    """Which commands the role does not see, and what to click; "" where it sees all, or Discord does not say."""
    client: Any = interaction.client
    try:
        hidden = await hidden_from(role, await client.tree.fetch_commands())
    except UNSENT:
        return ""
    return words.setup_hidden(f"@{role.name}", client.user.display_name, hidden) if hidden else ""


def _warnings(channel: discord.TextChannel) -> str:
    """What is wrong with a channel for review, if anything is."""
    missing = missing_permissions(channel.permissions_for(channel.guild.me), REVIEW_PERMISSIONS)
    if missing:
        return words.setup_missing(missing)
    return words.SETUP_PUBLIC if channel.permissions_for(channel.guild.default_role).view_channel else ""


class SetupChannel(Component[discord.ui.ChannelSelect[Any]], template="nightshift:setup:channel"):
    """Picks the review channel."""

    def __init__(self) -> None:
        super().__init__(
            discord.ui.ChannelSelect(
                custom_id="nightshift:setup:channel",
                channel_types=[discord.ChannelType.text],
                placeholder=words.SETUP_PICK_CHANNEL,
            )
        )

    @classmethod
    def from_match(cls, _match: re.Match[str]) -> Self:
        return cls()

    async def use(self, interaction: Interaction) -> None:
        await interaction.client.setup.choose(interaction, "review_channel", self.item.values[0].id)


class SetupRole(Component[discord.ui.RoleSelect[Any]], template="nightshift:setup:role"):
    """Picks the role that reviews."""

    def __init__(self) -> None:
        super().__init__(discord.ui.RoleSelect(custom_id="nightshift:setup:role", placeholder=words.SETUP_PICK_ROLE))

    @classmethod
    def from_match(cls, _match: re.Match[str]) -> Self:
        return cls()

    async def use(self, interaction: Interaction) -> None:
        await interaction.client.setup.choose(interaction, "moderator_role", self.item.values[0].id)


class SetupStep(Component[discord.ui.Button[Any]], template=r"nightshift:setup:(?P<step>persona|consent)"):
    """The buttons of the form."""

    def __init__(self, step: str) -> None:
        label = words.SETUP_PERSONA_BUTTON if step == "persona" else words.SETUP_CONSENT_BUTTON
        super().__init__(discord.ui.Button(label=label, custom_id=f"nightshift:setup:{step}"))
        self.step = step

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(match["step"])

    async def use(self, interaction: Interaction) -> None:
        setup = interaction.client.setup
        await (setup.persona(interaction) if self.step == "persona" else setup.tell_members(interaction))


def setup_command(setup: SetupForm) -> app_commands.Command[Any, ..., None]:
    """The slash command, for who may manage the server."""

    @app_commands.command(name="setup", description="Set me up on this server, step by step")
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.guild_only()
    async def command(interaction: discord.Interaction) -> None:
        await setup.begin(interaction)

    return command


def hold_command(moderators: Moderators) -> app_commands.Command[Any, ..., None]:
    """The slash command that holds a channel's answers back, or lets them go."""

    @app_commands.command(name="hold", description="Hold my answers in this channel until a moderator approves them")
    @app_commands.describe(on="Whether to hold answers")
    async def hold(interaction: discord.Interaction, on: bool) -> None:
        guild = moderators.require(interaction)
        if on and moderators.review_channel(guild) is None:
            raise Refused(words.HOLD_NOWHERE)
        carded = on and await moderators.card_channel(guild, interaction.channel_id) is not None
        actor = Actor(interaction.user.id, interaction.user.display_name)
        await moderators.guild_settings.change(actor, guild.id, interaction.channel_id or 0, {"hold": on or None})
        told = (words.HOLD_ON if carded else words.HOLD_ON_UNSEEN) if on else words.HOLD_OFF
        await interaction.response.send_message(told, ephemeral=True)

    return hold
