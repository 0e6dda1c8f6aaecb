"""The report after a night of training: what came of it, its loss curve and blind votes on both adapters' answers.

It is made from the run's row and metrics, and posted in the review channel of each server. The questions come from
hold-out conversations of the same server, and on the main server also of the operator; never from a channel that
somebody in the review channel cannot read.
"""

from __future__ import annotations

import asyncio
import functools
import io
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import discord

from bot.discord_io import limits
from bot.discord_io.charts import loss_curve
from bot.discord_io.excerpts import line
from bot.discord_io.retry import UNSENT, nonce_of, with_retry
from bot.i18n.en import moderation as words
from bot.i18n.en import quarantine as why
from bot.i18n.en import texts
from bot.i18n.language import speaking
from bot.review.blind_vote import BlindVote, blank_vote_embed, vote_buttons, vote_embed
from bot.review.statistics import changed_lines
from bot.server.moderators import Moderators
from bot.training.outcome import why_kept
from bot.training.reasons import reason_of_run
from storage.discord_records import Post
from storage.errors import StorageError
from storage.pair_records import Quarantined
from storage.reply_records import Reply
from storage.review_records import EditDistance
from storage.run_records import Metric, Run
from storage.store import Store

__all__ = ["ReportPoster", "blind_votes_of", "report_embed"]

_log = logging.getLogger(__name__)
_QUESTIONS = 3
_REASONS, _REASON = 3, 250  # reasons of quarantined pairs that are named, and the characters of each
_COLOURS = {"promoted": discord.Colour.green(), "kept": discord.Colour.gold(), "failed": discord.Colour.red()}


@dataclass(frozen=True)
class _RunReport:
    run: Run
    metrics: list[Metric]
    samples: list[tuple[BlindVote, Reply]]
    """With the reply that each question comes from; a reply of no server is the operator's."""
    quarantined: list[Quarantined]
    """What this run put into quarantine and nobody has decided about."""


class ReportPoster:
    """Posts the reports of one client."""

    def __init__(self, moderators: Moderators) -> None:
        self._moderators = moderators

    async def post(self, run_id: str | None, guilds: Sequence[discord.Guild]) -> int:
        """Report a run to these servers; returns to how many it was posted.

        Only scheduled runs and runs that compared two adapters are reported.
        """
        if run_id is None:
            return 0
        try:
            report = await self._moderators.store.call(_load, run_id)
        except StorageError:
            return 0
        if report.run.trigger != "schedule" and report.run.challenger_nll is None:
            return 0
        posted = 0
        for guild in guilds:
            channel = self._moderators.review_channel(guild)
            if channel is None or report.run.guild_id not in {None, guild.id}:
                continue
            try:
                with speaking(self._moderators.locale(guild)):
                    picture = await asyncio.to_thread(loss_curve, report.metrics)
                    await self._post(channel, report, picture)
            except UNSENT:
                _log.warning("The report could not be posted in %s", channel, exc_info=True)
            else:
                posted += 1
        return posted

    async def _post(self, channel: discord.TextChannel, report: _RunReport, picture: bytes | None) -> None:
        embed = await self._embed(report, channel.guild.id)
        nonce = nonce_of(channel.id, report.run.id)
        if picture is None or not channel.permissions_for(channel.guild.me).attach_files:
            message = await with_retry(lambda: channel.send(embed=embed, nonce=nonce))
        else:
            embed.set_image(url="attachment://loss.png")
            curve = picture
            message = await with_retry(
                lambda: channel.send(embed=embed, file=discord.File(io.BytesIO(curve), "loss.png"), nonce=nonce)
            )
        await self._keep(Post(message.id, channel.guild.id, channel.id, "report", run_id=report.run.id))
        for vote in (await self._shown(report, channel))[:_QUESTIONS]:
            message = await with_retry(functools.partial(_post_vote, channel, vote))
            post = Post(message.id, channel.guild.id, channel.id, "question", run_id=vote.run_id, sample=vote.number)
            if await self._keep(post):  # its words were removed while it was posted
                await message.edit(embed=blank_vote_embed(), view=None)

    async def asked(self, run_id: str, number: int, guild: discord.Guild) -> bool:
        """Whether a question of a run was one for this server."""
        try:
            report = await self._moderators.store.call(_load, run_id)
        except StorageError:
            return False
        here = self._moderators.training_servers.owners(guild.id)
        if report.run.guild_id not in {None, guild.id}:
            return False
        return any(vote.number == number and reply.guild_id in here for vote, reply in report.samples)

    async def _shown(self, report: _RunReport, channel: discord.TextChannel) -> list[BlindVote]:
        """The questions that a review channel may show: of its server, from channels that all its readers can read."""
        guild, shown = channel.guild, []
        for vote, reply in report.samples:
            own = reply.guild_id == guild.id
            if reply.guild_id in self._moderators.training_servers.owners(guild.id) and (
                not own
                or reply.channel_id is None
                or await self._moderators.readers.all_read(channel, reply.channel_id)
            ):
                shown.append(vote)
        return shown

    async def redraw(self, post: Post, channel: discord.abc.Messageable) -> None:
        """Remove the reasons of pairs that no longer wait from a report. Raises what Discord raises."""
        if post.run_id is None or post.guild_id is None:
            return
        report = await self._moderators.store.call(_load, post.run_id)
        message = await channel.fetch_message(post.message_id)
        embed = await self._embed(report, post.guild_id)
        if message.attachments:
            embed.set_image(url="attachment://loss.png")
        await message.edit(embed=embed)

    async def _embed(self, report: _RunReport, guild_id: int) -> discord.Embed:
        """The report as one server sees it."""
        here = self._moderators.training_servers.owners(guild_id)
        waiting = [one.reason for one in report.quarantined if one.guild_id in here]
        edits = await self._moderators.store.call(Store.edits_by_adapter, guild_id)
        return report_embed(report.run, waiting, edits)

    async def _keep(self, post: Post) -> bool:
        return await self._moderators.store.call(Store.add_post, post)


async def _post_vote(channel: discord.TextChannel, vote: BlindVote) -> discord.Message:
    nonce = nonce_of(channel.id, vote.run_id, vote.number)
    return await channel.send(embed=vote_embed(vote), view=vote_buttons(vote), nonce=nonce)


def report_embed(run: Run, quarantined: Sequence[str] = (), edits: Sequence[EditDistance] = ()) -> discord.Embed:
    """The report in words.

    Args:
        run: how it ended, and its figures.
        quarantined: the reason of each pair that waits for a second moderator.
        edits: how much was changed of each adapter's approved answers, the newest last.
    """
    outcome = run.outcome or "failed"
    reason = reason_of_run(run)
    check = why_kept(run) if outcome == "kept" else None
    head = words.REPORT_KEPT[check] if check else words.REPORT_HEAD[outcome]
    lines = [f"**{head}**", reason[:1].upper() + reason[1:]]
    embed = limits.Embed(
        title=words.REPORT,
        description="\n".join(filter(None, lines)),
        colour=_COLOURS.get(outcome, discord.Colour.greyple()),
        timestamp=datetime.fromisoformat(run.finished_at or run.started_at),
    )
    if run.champion_nll is not None and run.challenger_nll is not None:
        before, after = run.champion_nll, run.challenger_nll
        value = f"{before:.3f} \u2192 **{after:.3f}**\n{words.REPORT_BETTER}"
        embed.add_field(name=words.REPORT_LOSS, value=value)
    if run.train_pairs is not None:
        held = words.held_out(run.train_pairs, run.holdout_pairs or 0)
        embed.add_field(name=words.REPORT_PAIRS, value=held)
    if excluded := run.details.get("excluded"):
        embed.add_field(name=words.REPORT_EXCLUDED, value=words.excluded(int(excluded)), inline=False)
    if run.finished_at:
        took = datetime.fromisoformat(run.finished_at) - datetime.fromisoformat(run.started_at)
        embed.add_field(name=words.REPORT_TIME, value=texts.minutes(max(0.0, took.total_seconds() / 60)))
    if edits:
        embed.add_field(name=words.STATS_EDITS, value=changed_lines(edits), inline=False)
    if quarantined:
        reasons = Counter(map(why.kind_of, quarantined)).most_common(_REASONS)
        more = len(quarantined) - sum(count for _, count in reasons)
        shown = [(line(reason, _REASON), count) for reason, count in reasons]
        embed.add_field(name=words.REPORT_ASIDE, value=words.quarantine_tonight(shown, more), inline=False)
    if run.details.get("unscreened", {}).get("first"):
        embed.add_field(name=words.REPORT_NOTE, value=why.UNSCREENED, inline=False)
    if run.challenger:
        embed.add_field(name=words.REPORT_ADAPTER, value=f"`{run.challenger}`", inline=False)
    return embed


def blind_votes_of(run: Run) -> list[tuple[BlindVote, int | None]]:
    """The sampled questions that both adapters answered differently, with the reply that each comes from.

    Read from `details["samples"]`: a list of objects with "prompt", "text" (the challenger's), "champion" and
    "reply_id". A sample that lacks one of them is left out.
    """
    samples = run.details.get("samples")
    found: list[tuple[BlindVote, int | None]] = []
    for number, sample in enumerate(samples if isinstance(samples, list) else []):
        if not isinstance(sample, dict):
            continue
        prompt, old, new = (sample.get(name) for name in ("prompt", "champion", "text"))
        if isinstance(prompt, str) and isinstance(old, str) and isinstance(new, str) and old.strip() != new.strip():
            reply_id: Any = sample.get("reply_id")
            vote = BlindVote(run.id, number, prompt, champion=old, challenger=new)
            found.append((vote, reply_id if isinstance(reply_id, int) else None))
    return found


def _load(store: Store, run_id: str) -> _RunReport:
    run = store.run(run_id)
    samples: list[tuple[BlindVote, Reply]] = []
    for vote, reply_id in blind_votes_of(run):
        if reply_id is None:  # nobody knows whose words these are
            continue
        try:
            reply = store.reply(reply_id)
        except StorageError:
            continue
        private = reply.source == "discord" and reply.guild_id is None
        if not reply.redacted and not private:
            samples.append((vote, reply))
    quarantined = [one for one in store.quarantined(limit=None) if one.run_id == run_id]
    return _RunReport(run, store.metrics(run_id), samples, quarantined)
