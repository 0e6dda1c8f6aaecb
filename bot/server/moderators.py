"""The moderators of each server: who they are, where they review, what they may do, and the audit of their acts.

Who moderates the whole server (by the role, or Manage Messages on the server) acts for the server; Manage Messages in
one channel covers the replies given there. Nobody is shown what was said in a channel that they cannot read.

A server's own choice (made with /setup) goes over the operator's in `nightshift.toml`. Where one adapter answers on
every server, only the moderators of the main one (bot/server/training_servers.py) may train or change it; where each
server has a voice of its own, its own moderators.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import discord

from bot.discord_io import limits
from bot.discord_io.retry import UNSENT
from bot.errors import Refused
from bot.i18n.en import moderation as texts
from bot.i18n.en import texts as words
from bot.i18n.language import speaking
from bot.server.guild_settings import GuildSettingsCache
from bot.server.permissions import is_moderator, matches
from bot.server.readers import Readers
from bot.server.training_servers import TrainingServers
from bot.settings import DiscordConfig
from storage.async_store import AsyncStore
from storage.audit_records import Act
from storage.reply_records import Reply
from storage.review_errors import ReplyNotFound
from storage.store import Store

__all__ = ["Moderators", "server_of"]

_log = logging.getLogger(__name__)


class Moderators:
    """One for a client."""

    def __init__(
        self,
        store: AsyncStore,
        guild_settings: GuildSettingsCache,
        config: DiscordConfig,
        training_servers: TrainingServers,
    ) -> None:
        self.store = store
        self.guild_settings = guild_settings
        self.config = config
        self.training_servers = training_servers
        self.readers = Readers(store)

    def role(self, guild_id: int | None) -> int | str | None:
        """The role that reviews on a server, as its settings name it."""
        own = self.guild_settings.of(guild_id).moderator_role if guild_id is not None else None
        return own if own is not None else self.config.moderator_role

    def locale(self, guild: discord.Guild | None) -> str:
        """What is spoken in a place, as against to one person."""
        return self.config.language or (str(guild.preferred_locale) if guild is not None else "")

    def review_channel(self, guild: discord.Guild) -> discord.TextChannel | None:
        """The channel of this server for cards and reports, if there is one."""
        own = self.guild_settings.of(guild.id).review_channel
        wanted = own if own is not None else self.config.review_channel
        return next((one for one in guild.text_channels if matches(wanted, one.id, one.name)), None)

    def warn_of_missing(self, guild: discord.Guild) -> None:
        """Say in the log where the operator's settings name a role or a channel that this server does not have."""
        role, channel = self.config.moderator_role, self.config.review_channel
        if role is not None and not any(matches(role, one.id, one.name) for one in guild.roles):
            _log.warning("The server %s has no role %r, as the setting discord.moderator_role has it", guild, role)
        if channel is not None and self.review_channel(guild) is None:
            _log.warning(
                "The server %s has no text channel %r, as the setting discord.review_channel has it: no cards are "
                "posted there",
                guild,
                channel,
            )

    def reviews(self, member: discord.abc.User, permissions: discord.Permissions) -> bool:
        """Whether a member with these permissions in the channel at hand is a moderator of the server."""
        guild = getattr(member, "guild", None)
        return guild is not None and is_moderator(member, permissions, self.role(guild.id))

    async def card_channel(self, guild: discord.Guild, channel_id: int | None) -> discord.TextChannel | None:
        """Where words said in a channel may be shown to moderators: the review channel, if all its readers read both.

        None where there is no review channel, or somebody who sees it cannot read the other one.
        """
        channel = self.review_channel(guild)
        if channel is None or channel_id is None:
            return channel
        return channel if await self.readers.all_read(channel, channel_id) else None

    def moderates(self, member: discord.abc.User) -> bool:
        """Whether a member is a moderator of the whole server, not only of one channel."""
        if not isinstance(member, discord.Member):
            return False
        return is_moderator(member, member.guild_permissions, self.role(member.guild.id))

    async def may_judge(self, member: discord.abc.User, channel_id: int | None) -> bool:
        """Whether a member may judge what was said in a channel: they read it, and moderate it or the whole server."""
        if not isinstance(member, discord.Member):
            return False
        if channel_id is None:  # an import, which stands in no channel
            return self.moderates(member)
        theirs = await self.readers.permissions(member, channel_id)
        return theirs is not None and (theirs.manage_messages or self.moderates(member))

    async def judged(self, member: discord.abc.User, guild: discord.Guild) -> list[int]:
        """The channels and threads in which a member may judge replies, of those in which there are any."""
        return [one for one in await self.store.read(Store.places, guild.id) if await self.may_judge(member, one)]

    def require(self, interaction: discord.Interaction) -> discord.Guild:
        """The server, for a moderator of it or of the channel at hand. Raises Refused for anybody else."""
        guild = server_of(interaction)
        if not self.moderates(interaction.user) and not self.reviews(interaction.user, interaction.permissions):
            raise self._not_moderator(guild)
        return guild

    def require_server(self, interaction: discord.Interaction) -> discord.Guild:
        """The server, for a moderator of the whole of it. Raises Refused for anybody else."""
        guild = self.require(interaction)
        if not self.moderates(interaction.user):
            raise Refused(texts.not_server_moderator(self._role_name(guild)))
        return guild

    async def require_reply(self, interaction: discord.Interaction, reply_id: int) -> Reply:
        """A reply, for somebody who may judge it. Raises Refused, and what the store raises."""
        guild = server_of(interaction)
        user = interaction.user
        here = self.moderates(user) or self.reviews(user, interaction.permissions)
        try:
            reply: Reply = await self.store.call(Store.reply, reply_id)
        except ReplyNotFound:
            if here:
                raise
            raise self._not_moderator(guild) from None
        if reply.guild_id == guild.id and await self.may_judge(user, reply.channel_id):
            return reply
        if not here:
            raise self._not_moderator(guild)
        raise Refused(words.OTHER_SERVER if reply.guild_id != guild.id else words.OTHER_CHANNEL)

    def require_steering(self, interaction: discord.Interaction) -> discord.Guild:
        """The same, for training and adapters, which concern every server, or a server's own voice. Raises Refused."""
        guild = self.require_server(interaction)
        if self.training_servers.apart and not self.training_servers.steers(guild.id):
            raise Refused(words.NOT_LEARNING_HERE)
        if not self.training_servers.steers(guild.id):
            main = next((one for one in interaction.client.guilds if one.id == self.training_servers.main), None)
            raise Refused(texts.elsewhere(main.name if main else None))
        return guild

    def _role_name(self, guild: discord.Guild) -> str | None:
        wanted = self.role(guild.id)
        return next((one.name for one in guild.roles if matches(wanted, one.id, one.name)), None)

    def _not_moderator(self, guild: discord.Guild) -> Refused:
        return Refused(words.not_moderator(self._role_name(guild)))

    async def say(self, channel: discord.TextChannel, text: str) -> None:
        """Say something in a review channel; that it cannot be said there is only logged."""
        embed = limits.Embed(description=text, colour=discord.Colour.blurple())
        try:
            await channel.send(embed=embed)
        except UNSENT:
            _log.warning("Could not write in %s", channel, exc_info=True)

    async def announce(self, guilds: Iterable[discord.Guild], text: Callable[[], str]) -> bool:
        """Tell the review channels of these servers, each in its language. Returns whether there was one to tell."""
        told = False
        for guild in guilds:
            if (channel := self.review_channel(guild)) is not None:
                with speaking(self.locale(guild)):
                    message = text()
                await self.say(channel, message)
                told = True
        return told

    async def note(
        self,
        interaction: discord.Interaction,
        action: str,
        subject: str = "",
        *,
        everywhere: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write an administrative act in the audit. `everywhere`: it concerns all servers."""
        act = self.act(interaction, action, subject, everywhere=everywhere, details=details)
        await self.store.call(
            Store.audit, act.actor_id, act.actor, action, subject, guild_id=act.guild_id, details=details
        )

    def act(
        self,
        interaction: discord.Interaction,
        action: str,
        subject: str = "",
        *,
        everywhere: bool = False,
        details: Mapping[str, Any] | None = None,
    ) -> Act:
        """The same, to be written together with what was done (`Store.act`)."""
        guild_id = None if everywhere else interaction.guild_id
        return Act(interaction.user.id, interaction.user.display_name, action, subject, guild_id, details)


def server_of(interaction: discord.Interaction) -> discord.Guild:
    """The server that somebody acts on. Raises Refused in direct messages."""
    if interaction.guild is None:
        raise Refused(words.SERVER_ONLY)
    return interaction.guild
