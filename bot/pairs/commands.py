"""/pairs: looking through what the bot learns from on a server, and removing from it.

A moderator reaches their server's own pairs, but for those from channels that they cannot read. Those of the main
server also reach what was imported for every server: by the operator on the command line, and by moderators of the
other servers that are learned from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.deferral import in_time, respond
from bot.discord_io.excerpts import line
from bot.discord_io.interaction_errors import answered
from bot.discord_io.sanitize import harmless
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.pairs.import_export import add_transfers
from bot.pairs.quarantine import add_quarantine
from bot.server.moderators import Moderators
from storage.errors import ReplyNotFound
from storage.records import Pair
from storage.store import Store

__all__ = ["pair_commands"]

_FOUND = 5
_CHOICES = 25  # Discord offers no more
_CHOICE = 100  # characters
_SHOWN = 160
_OFFER_S = 2.0  # Discord waits three seconds for what is offered while somebody types


def pair_commands(moderators: Moderators) -> app_commands.Group:
    """The group of /pairs."""
    group = app_commands.Group(name="pairs", description="What I learn from", guild_only=True)

    async def found(interaction: discord.Interaction[Any], text: str, limit: int) -> list[Pair]:
        guild = moderators.require_server(interaction)
        imports_of = moderators.training_servers.imports_shown_to(guild.id)
        places = await moderators.judged(interaction.user, guild)
        return await moderators.store.look(
            lambda store: store.search_pairs(guild.id, text.strip(), limit, imports_of=imports_of, places=places)
        )

    @group.command(name="search", description="Approved pairs that hold certain words")
    @app_commands.describe(text="Words in the question or in the answer")
    @answered
    async def search(interaction: discord.Interaction[Any], text: str) -> None:
        pairs = await in_time(interaction, found(interaction, text, _FOUND))
        if not pairs:
            raise Refused(words.NO_PAIRS)
        embed = limits.Embed(description="\n\n".join(map(_shown, pairs)), colour=discord.Colour.blurple())
        told = None if moderators.training_servers.learns_from(interaction.guild_id) else texts.NOT_LEARNING_HERE
        await respond(interaction, content=told, embed=embed)

    @group.command(name="remove", description="Keep a pair out of training from now on")
    @app_commands.describe(pair="Type words of it, or its number")
    @answered
    async def remove(interaction: discord.Interaction[Any], pair: str) -> None:
        guild = moderators.require_server(interaction)
        imports_of = moderators.training_servers.imports_shown_to(guild.id)
        reply_id = int(pair) if pair.strip().isdecimal() else 0
        places = await moderators.judged(interaction.user, guild)
        act = moderators.act(interaction, "pairs.remove", str(reply_id))
        await moderators.store.call(
            Store.act,
            lambda store: _remove(store, reply_id, guild.id, interaction.user, imports_of=imports_of, places=places),
            lambda _: act,
        )
        await interaction.response.send_message(words.removed(reply_id), ephemeral=True)
        await interaction.client.outbox.carry_out(reply_id, "verdict")
        await interaction.client.review.changed(interaction.guild, reply_id)

    @remove.autocomplete("pair")
    async def offered(interaction: discord.Interaction[Any], typed: str) -> list[app_commands.Choice[str]]:
        try:
            async with asyncio.timeout(_OFFER_S):
                pairs = await found(interaction, typed, _CHOICES)
        except (Refused, TimeoutError):
            return []
        return [app_commands.Choice(name=_choice(one), value=str(one.reply_id)) for one in pairs]

    add_quarantine(group, moderators)
    add_transfers(group, moderators)
    return group


def _remove(
    store: Store,
    reply_id: int,
    guild_id: int,
    by: discord.abc.User,
    *,
    imports_of: Sequence[int] | None,
    places: Sequence[int],
) -> None:
    """Reject an approved pair that a moderator may reach. Raises Refused."""
    try:
        reply, review = store.reply(reply_id), store.latest_review(reply_id)
    except ReplyNotFound:
        raise Refused(words.PAIR_GONE) from None
    imported = reply.source == "import" and imports_of is not None
    readable = reply.channel_id is None or reply.channel_id in places
    theirs = (reply.guild_id == guild_id and readable) or (imported and reply.guild_id in (None, *(imports_of or ())))
    if not theirs or review is None or review.verdict == "reject":
        raise Refused(words.PAIR_GONE)
    store.add_review(reply_id, "reject", reviewer=by.display_name, reviewer_id=by.id, reason="removed")


def _shown(pair: Pair) -> str:
    question, answer = line(pair.turns[-1].content, _SHOWN), line(pair.completion, _SHOWN)
    return f"**{pair.reply_id}** \u00b7 {pair.reviewer}\n> {question}\n{answer}"


def _choice(pair: Pair) -> str:
    return line(harmless(f"{pair.reply_id}: {pair.turns[-1].content}"), _CHOICE)
