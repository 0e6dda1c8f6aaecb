"""/settings: how the bot behaves on a server and in its channels. What is set here holds from the next message on.

What the values mean is bot/server/guild_settings.py's; here they are asked for, checked and shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.ids import places_of
from bot.errors import Refused
from bot.i18n.en import moderation
from bot.i18n.en import settings as texts
from bot.server.guild_settings import Actor, GuildSettings, Talk
from bot.server.moderators import Moderators
from bot.server.permissions import require_administrator
from bot.server.persona import persona_form
from bot.server.profile import change_profile
from storage.guild_settings import SERVER

__all__ = ["SettingsCommands"]

Where = Literal["server", "channel"]
Rule = Literal["allow", "deny", "clear"]
AnyChannel = discord.TextChannel | discord.VoiceChannel | discord.ForumChannel | discord.Thread


class SettingsCommands(app_commands.Group):
    """The group /settings, for members with Manage Server. `looks_up`: whether the bot ever looks anything up."""

    def __init__(self, moderators: Moderators, *, looks_up: bool) -> None:
        super().__init__(
            name="settings",
            description="How I behave on this server",
            guild_only=True,
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._moderators = moderators
        self._guild_settings = moderators.guild_settings
        self._looks_up = looks_up

    @app_commands.command(name="show", description="Show the settings for this channel")
    async def show(self, interaction: discord.Interaction) -> None:
        guild = require_administrator(interaction)
        held = self._guild_settings.of(guild.id, *places_of(interaction.channel))
        await interaction.response.send_message(embed=_shown(guild, held, interaction.channel), ephemeral=True)

    @app_commands.command(name="channel", description="When I answer in a channel without being mentioned")
    @app_commands.describe(
        answer="off: only when mentioned; name: when someone uses my name; always: every message",
        cooldown="Seconds to wait between these answers",
        channel="Which channel (default: this one)",
    )
    async def channel_(
        self,
        interaction: discord.Interaction,
        answer: Talk,
        cooldown: app_commands.Range[int, 0, 86_400] = 0,
        channel: AnyChannel | None = None,
    ) -> None:
        place: Any = channel or interaction.channel
        await self._change(interaction, place.id, {"talk": answer, "talk_cooldown": float(cooldown)})
        await _say(interaction, texts.talk(answer, place.mention, cooldown))

    @app_commands.command(name="persona", description="Who I am: my instructions for every conversation")
    @app_commands.describe(where="For the whole server, or only for this channel")
    async def persona(self, interaction: discord.Interaction, where: Where = "server") -> None:
        guild = require_administrator(interaction)
        place = _place(interaction, where)

        async def save(submitted: discord.Interaction, text: str) -> None:
            await self._change(submitted, place, {"persona": text.strip() or None})
            await _say(submitted, texts.PERSONA_SET if text.strip() else texts.BACK_TO_DEFAULT)

        current = self._guild_settings.of(
            guild.id, *(places_of(interaction.channel) if where == "channel" else ())
        ).persona
        await interaction.response.send_modal(persona_form(current, save))

    @app_commands.command(name="answers", description="How creative and how long my answers are (empty: default)")
    @app_commands.describe(
        temperature="0 always picks the most likely word; 1 is more creative",
        length="Longest answer, in tokens (a token is about four letters)",
        where="For the whole server, or only for this channel",
    )
    async def answers(
        self,
        interaction: discord.Interaction,
        temperature: app_commands.Range[float, 0.0, 2.0] | None = None,
        length: app_commands.Range[int, 16, 2000] | None = None,
        where: Where = "server",
    ) -> None:
        require_administrator(interaction)
        if length is not None and length > self._guild_settings.longest_answer:
            raise Refused(
                texts.answer_too_long(length, self._guild_settings.context_tokens, self._guild_settings.longest_answer)
            )
        given: dict[str, Any] = {"temperature": temperature, "max_new_tokens": length}
        chosen = {name: value for name, value in given.items() if value is not None} or given
        held = await self._change(interaction, _place(interaction, where), chosen)
        await _say(interaction, texts.answers_set(held.temperature, held.max_new_tokens))

    @app_commands.command(name="unsure", description="When I ask the moderators instead of answering")
    @app_commands.describe(
        percent="How likely my answer must be right; 0 answers everything, 50 is a good start",
        where="For the whole server, or only for this channel",
    )
    async def unsure(
        self, interaction: discord.Interaction, percent: app_commands.Range[int, 0, 95], where: Where = "server"
    ) -> None:
        guild = require_administrator(interaction)
        if percent and not self._looks_up:
            raise Refused(texts.UNSURE_WITHOUT_LOOKUP)
        if percent and self._moderators.review_channel(guild) is None:
            raise Refused(moderation.HOLD_NOWHERE)
        chosen = {"unsure": percent / 100 or None}
        held = await self._change(interaction, _place(interaction, where), chosen)
        await _say(interaction, texts.unsure_set(held.unsure))

    @app_commands.command(name="profile", description="My name and pictures on this server (empty: as everywhere)")
    @app_commands.describe(
        name="My name here",
        avatar="My avatar here: PNG, JPEG, GIF or WebP",
        banner="My banner here: PNG, JPEG, GIF or WebP",
    )
    async def profile(
        self,
        interaction: discord.Interaction,
        name: app_commands.Range[str, 1, 32] | None = None,
        avatar: discord.Attachment | None = None,
        banner: discord.Attachment | None = None,
    ) -> None:
        guild = require_administrator(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        await change_profile(guild, name=name, avatar=avatar, banner=banner)
        changed = [word for word, one in (("name", name), ("avatar", avatar), ("banner", banner)) if one is not None]
        await self._moderators.note(interaction, "settings.profile", " ".join(changed) or "default")
        await interaction.edit_original_response(content=texts.PROFILE_SET if changed else texts.BACK_TO_DEFAULT)

    @app_commands.command(name="limits", description="How often each member can ask")
    @app_commands.describe(
        cooldown="Seconds between two questions from the same member",
        quota="Answers per member per day; 0 means no limit",
        role="Apply the quota to this role; leave the quota empty to remove it",
    )
    async def limits(
        self,
        interaction: discord.Interaction,
        cooldown: app_commands.Range[int, 0, 86_400] | None = None,
        quota: app_commands.Range[int, 0, 100_000] | None = None,
        role: discord.Role | None = None,
    ) -> None:
        guild = require_administrator(interaction)
        changes: dict[str, Any] = {} if cooldown is None else {"member_cooldown": float(cooldown)}
        if role is not None:
            quotas = {
                one: number for one, number in self._guild_settings.of(guild.id).role_quotas.items() if one != role.id
            }
            quotas |= {} if quota is None else {role.id: quota}
            changes["role_quotas"] = {str(one): number for one, number in quotas.items()}
        elif quota is not None:
            changes["daily_quota"] = quota
        if not changes:
            raise Refused(texts.NOTHING_GIVEN)
        await _say(interaction, _limits(guild, await self._change(interaction, SERVER, changes)))

    @app_commands.command(name="access", description="In which channels and to which roles I answer")
    @app_commands.describe(
        rule="allow: only these; deny: all but these; clear: remove from both lists (empty: clear both)",
        channel="The channel to allow or deny",
        role="The role to allow or deny",
    )
    async def access(
        self,
        interaction: discord.Interaction,
        rule: Rule,
        channel: AnyChannel | None = None,
        role: discord.Role | None = None,
    ) -> None:
        guild = require_administrator(interaction)
        target = channel or role
        if target is None and rule == "clear":
            lists = ("allowed_channels", "denied_channels", "allowed_roles", "denied_roles")
            await self._change(interaction, SERVER, dict.fromkeys(lists))
            await _say(interaction, texts.LISTS_EMPTY)
            return
        if target is None or (channel is not None and role is not None):
            raise Refused(texts.ONE_TARGET)
        kind = "channels" if channel is not None else "roles"
        await self._change(interaction, SERVER, _listed(self._guild_settings.of(guild.id), kind, target.id, rule))
        await _say(interaction, texts.access_set(rule, target.mention))

    async def _change(
        self, interaction: discord.Interaction, channel_id: int, changes: Mapping[str, Any]
    ) -> GuildSettings:
        """Make a change; returns what holds there afterwards. Raises Refused for anybody but administrators."""
        guild = require_administrator(interaction)
        actor = Actor(interaction.user.id, interaction.user.display_name)
        await self._guild_settings.change(actor, guild.id, channel_id, changes)
        return self._guild_settings.of(guild.id, *((channel_id,) if channel_id else ()))


def _place(interaction: discord.Interaction, where: Where) -> int:
    return (interaction.channel_id or SERVER) if where == "channel" else SERVER


def _listed(held: GuildSettings, kind: str, id_: int, rule: Rule) -> dict[str, list[int]]:
    """Both lists of a kind with this one where it belongs."""
    lists = {name: [one for one in getattr(held, f"{name}_{kind}") if one != id_] for name in ("allowed", "denied")}
    if rule != "clear":
        lists["allowed" if rule == "allow" else "denied"].append(id_)
    return {f"{name}_{kind}": ids for name, ids in lists.items()}


def _shown(guild: discord.Guild, held: GuildSettings, channel: Any) -> discord.Embed:
    embed = limits.Embed(title=texts.SHOWN_TITLE, colour=discord.Colour.blurple())
    persona = held.persona or texts.NO_PERSONA
    fields = {
        texts.SHOWN_PERSONA: persona,
        texts.SHOWN_ANSWERS: texts.answers(held.temperature, held.max_new_tokens),
        texts.SHOWN_TALK: texts.talk(held.talk, channel.mention, held.talk_cooldown),
        texts.SHOWN_REVIEW: texts.HELD if held.hold else texts.unsure_set(held.unsure),
        texts.SHOWN_LIMITS: _limits(guild, held),
        texts.SHOWN_LISTS: texts.lists(
            [f"<#{one}>" for one in held.allowed_channels] + [f"<@&{one}>" for one in held.allowed_roles],
            [f"<#{one}>" for one in held.denied_channels] + [f"<@&{one}>" for one in held.denied_roles],
        ),
    }
    for name, value in fields.items():
        embed.add_field(name=name, value=value, inline=False)
    return embed


def _limits(guild: discord.Guild, held: GuildSettings) -> str:
    names = {role.id: role.mention for role in guild.roles}
    roles = [(names.get(one, str(one)), quota) for one, quota in held.role_quotas.items()]
    return texts.limits(held.member_cooldown, held.daily_quota, roles)


async def _say(interaction: discord.Interaction, text: str) -> None:
    await interaction.response.send_message(limits.content(text), ephemeral=True)
