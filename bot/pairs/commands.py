"""/pairs: shows what the bot learns from on a server, and removes from it.

A moderator sees the pairs of their own server, but none from channels that they cannot read. On the main server they
also see what was imported for all servers, by the operator or by moderators of the other training servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.components import Interaction
from bot.discord_io.deferral import in_time, respond
from bot.discord_io.excerpts import line
from bot.discord_io.sanitize import harmless
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.pairs.import_export import export_pairs, import_pairs
from bot.pairs.quarantine import show_quarantine
from bot.pairs.undoing import undo_moderator
from bot.server.moderator_group import ModeratorGroup
from bot.server.moderators import Moderators
from storage.pair_records import Pair
from storage.review_errors import ReplyNotFound
from storage.store import Store

__all__ = ["PairCommands"]

_FOUND = 5
_CHOICES = 25  # Discord offers no more
_CHOICE = 100  # characters
_SHOWN = 160
_OFFER_S = 2.0  # Discord waits three seconds for what is offered while somebody types


class PairCommands(ModeratorGroup, name="pairs", description="What I learn from"):
    """The group /pairs, for moderators of a whole server."""

    def __init__(self, moderators: Moderators) -> None:
        super().__init__(moderators.require_server)
        self._moderators = moderators

    @app_commands.command(name="search", description="Search the approved pairs")
    @app_commands.describe(text="Text from the question or the answer")
    async def search(self, interaction: Interaction, text: str) -> None:
        pairs = await in_time(interaction, self._found(interaction, text, _FOUND))
        if not pairs:
            raise Refused(words.NO_PAIRS)
        embed = limits.Embed(description="\n\n".join(map(_shown, pairs)), colour=discord.Colour.blurple())
        told = None if self._moderators.training_servers.learns_from(interaction.guild_id) else texts.NOT_LEARNING_HERE
        await respond(interaction, content=told, embed=embed)

    @app_commands.command(name="remove", description="Remove a pair from training")
    @app_commands.describe(pair="Its number, or some of its text")
    async def remove(self, interaction: Interaction, pair: str) -> None:
        guild = self._moderators.require_server(interaction)
        imports_of = self._moderators.training_servers.imports_shown_to(guild.id)
        reply_id = int(pair) if pair.strip().isdecimal() else 0
        places = await self._moderators.judged(interaction.user, guild)
        act = self._moderators.act(interaction, "pairs.remove", str(reply_id))
        await self._moderators.store.call(
            Store.act,
            lambda store: _remove(store, reply_id, guild.id, interaction.user, imports_of=imports_of, places=places),
            lambda _: act,
        )
        await interaction.response.send_message(words.removed(reply_id), ephemeral=True)
        await interaction.client.outbox.carry_out(reply_id, "verdict")
        await interaction.client.review.changed(guild, reply_id)

    @remove.autocomplete("pair")
    async def matching(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """The pairs to choose from. A group's check does not cover this."""
        try:
            async with asyncio.timeout(_OFFER_S):
                pairs = await self._found(interaction, typed, _CHOICES)
        except (Refused, TimeoutError):
            return []
        return [app_commands.Choice(name=_choice(one), value=str(one.reply_id)) for one in pairs]

    @app_commands.command(name="quarantine", description="Check pairs that were imported here or look unusual")
    async def quarantine(self, interaction: Interaction) -> None:
        await show_quarantine(interaction, self._moderators)

    @app_commands.command(name="undo-moderator", description="Take back all that a moderator decided since a time")
    @app_commands.describe(moderator="Whose decisions", since="3d, 12h, or a date such as 2026-11-20 14:30 (UTC)")
    async def undo_moderator(self, interaction: Interaction, moderator: discord.User, since: str) -> None:
        await undo_moderator(interaction, self._moderators, moderator, since)

    @app_commands.command(name="export", description="Get this server's training pairs as a JSONL file")
    async def export(self, interaction: Interaction) -> None:
        await export_pairs(interaction, self._moderators)

    @app_commands.command(name="import", description="Import pairs from a JSONL or CSV file")
    @app_commands.describe(file="JSONL with messages on each line, or CSV with a prompt and a reply column")
    async def import_(self, interaction: Interaction, file: discord.Attachment) -> None:
        await import_pairs(interaction, self._moderators, file)

    async def _found(self, interaction: Interaction, text: str, limit: int) -> list[Pair]:
        guild = self._moderators.require_server(interaction)
        imports_of = self._moderators.training_servers.imports_shown_to(guild.id)
        places = await self._moderators.judged(interaction.user, guild)
        return await self._moderators.store.read(
            lambda store: store.search_pairs(guild.id, text.strip(), limit, imports_of=imports_of, places=places)
        )


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
