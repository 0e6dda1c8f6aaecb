"""/stats: how much was reviewed and how much of it approved, by day and by adapter."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.charts import review_chart
from bot.discord_io.components import Interaction
from bot.discord_io.deferral import in_time, respond
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.recall.answerability import Bin, fitted, reliability
from bot.server.moderator_group import allowed_by
from bot.server.moderators import Moderators
from storage.recall_records import Reviewed
from storage.review_records import EditDistance, Tally
from storage.store import Store

__all__ = ["changed_lines", "stats_command"]

_LINES = 8  # adapters named in words
_ADAPTERS, _WEEKS = 3, 6  # whose edits are named


def stats_command(moderators: Moderators) -> app_commands.Command[app_commands.Group, ..., None]:
    """The slash command."""

    @app_commands.command(name="stats", description="Reviews and approval rate, by day and by adapter")
    @app_commands.describe(days="How many days back")
    async def stats(interaction: Interaction, days: app_commands.Range[int, 1, 90] = 14) -> None:
        since = (datetime.now(UTC) - timedelta(days=days - 1)).date().isoformat()
        by_day, by_adapter, edits, weeks = await in_time(
            interaction, moderators.store.read(_tallies, interaction.guild_id or 0, since)
        )
        if not by_adapter:
            await respond(interaction, content=words.STATS_NONE)
            return
        if not interaction.response.is_done():
            await interaction.response.defer(ephemeral=True, thinking=True)  # matplotlib loads slowly the first time
        sure = await moderators.store.read(Store.reviewed_answers, interaction.guild_id or 0)
        picture = await asyncio.to_thread(review_chart, by_day, by_adapter)
        lines = [words.share(one.name or texts.BASE_MODEL, one.approved, one.reviews) for one in by_adapter[-_LINES:]]
        embed = limits.Embed(title=words.STATS, description="\n".join(lines), colour=discord.Colour.blurple())
        if bins := await asyncio.to_thread(_reliability, sure):
            embed.add_field(name=words.STATS_SURE, value="\n".join(map(_as_line, bins)), inline=False)
        if picture is None:
            embed.add_field(name=words.STATS_DAYS, value=_in_words(by_day), inline=False)
        if edits:
            embed.add_field(name=words.STATS_EDITS, value=changed_lines(edits, weeks), inline=False)
        if picture is None:
            await interaction.followup.send(embed=embed, ephemeral=True)
            return
        embed.set_image(url="attachment://reviews.png")
        file = discord.File(io.BytesIO(picture), "reviews.png")
        await interaction.followup.send(embed=embed, file=file, ephemeral=True)

    stats.add_check(allowed_by(moderators.require_server))
    return stats


def _reliability(rows: Sequence[Reviewed]) -> list[Bin]:
    return reliability(rows, fitted(rows))


def _as_line(one: Bin) -> str:
    """What was predicted beside what moderators said, with bars of ten."""
    return f"`{_bar(one.predicted)}` `{_bar(one.approved)}` " + words.sure(one.predicted, one.approved, one.count)


def _bar(share: float) -> str:
    return "\u2588" * round(10 * share) + "\u2591" * (10 - round(10 * share))


def _in_words(days: list[Tally]) -> str:
    return "\n".join(words.share(one.name, one.approved, one.reviews) for one in days) or texts.NEVER


def changed_lines(adapters: Sequence[EditDistance], weeks: Sequence[EditDistance] = ()) -> str:
    """How much people changed before they approved it: the last adapters, then the trend by week."""
    named = [(one.name or texts.BASE_MODEL, one) for one in adapters[-_ADAPTERS:]]
    named += [(words.week(one.name), one) for one in weeks[-_WEEKS:]]
    return "\n".join(words.changed(name, one.share, one.approved) for name, one in named)


def _tallies(
    store: Store, guild_id: int, since: str
) -> tuple[list[Tally], list[Tally], list[EditDistance], list[EditDistance]]:
    return (
        store.reviews_by_day(guild_id, since),
        store.reviews_by_adapter(guild_id),
        store.edits_by_adapter(guild_id),
        store.edits_by_week(guild_id, since),
    )
