"""Reactions as verdicts, if the settings allow it: a check mark approves, a cross rejects, removing it undoes."""

from __future__ import annotations

from typing import Any

import discord

from bot.review.service import ReviewService
from bot.server.moderators import Moderators
from storage.errors import StorageError
from storage.reply_records import Reply
from storage.review_records import Review, Verdict
from storage.store import Store

__all__ = ["Reactions"]

_VERDICTS: dict[str, Verdict] = {"\u2705": "approve", "\u274c": "reject"}


class Reactions:
    """Receives reactions on the answers of one client. Ignores those that are no moderator's verdict."""

    def __init__(self, moderators: Moderators, review: ReviewService) -> None:
        self._moderators = moderators
        self._review = review

    async def added(self, payload: discord.RawReactionActionEvent, channel: Any) -> None:
        """A moderator's reaction on an answer is a verdict."""
        verdict = _VERDICTS.get(payload.emoji.name)
        member = payload.member
        if (
            verdict is None
            or member is None
            or member.bot
            or not isinstance(channel, discord.abc.GuildChannel | discord.Thread)
        ):
            return
        if await self._moderators.may_judge(member, channel.id):
            await self._judge(payload.message_id, verdict, member)

    async def removed(self, payload: discord.RawReactionActionEvent, guild: discord.Guild | None) -> None:
        """The reaction that gave the latest verdict is gone: undo the verdict, if its author still moderates."""
        verdict = _VERDICTS.get(payload.emoji.name)
        if verdict is None or guild is None:
            return
        reply = await self._moderators.store.call(Store.reply_by_message, payload.message_id)
        review = await self._moderators.store.call(Store.latest_review, reply.id) if reply else None
        if reply is None or review is None:
            return
        if review.reviewer_id != payload.user_id or review.verdict != verdict:
            return
        try:
            member = await guild.fetch_member(payload.user_id)
        except discord.HTTPException:  # has left, or Discord does not say: the verdict stays
            return
        if not await self._moderators.may_judge(member, reply.channel_id):
            return
        await self._judge(payload.message_id, "undo", member)

    async def _judge(self, message_id: int, verdict: Verdict, member: discord.Member) -> None:
        reply: Reply | None = await self._moderators.store.call(Store.reply_by_message, message_id)
        if reply is None or reply.guild_id != member.guild.id:
            return
        review, hidden = await self._moderators.store.call(_latest, reply.id)
        if hidden and review is None:
            return  # a held answer cannot be read where the reaction is
        try:
            async with self._review.verdicts.lock(reply.id):
                change = await self._review.verdicts.give(reply, verdict, member)
                drawn = await self._review.cards.redraw(member.guild, reply)
        except StorageError:  # redacted meanwhile, or nothing to take back
            return
        await self._review.verdicts.carry_out(change, member.guild, reply, drawn=drawn)


def _latest(store: Store, reply_id: int) -> tuple[Review | None, bool]:
    return store.latest_review(reply_id), store.held_in(reply_id) is not None
