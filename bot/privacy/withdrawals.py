"""Taking back what the bot shows of words that are no longer stored: cards, reports, their questions, answers to /ask.

Which posts those are is the store's to say, and stays so until each was dealt with: what fails is tried again, also
after a restart. Cards that an earlier version posted are looked for in the review channel.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from typing import Any

import discord

from bot.chat.existing_answer import parts_of
from bot.discord_io.retry import UNSENT
from bot.i18n.language import speaking
from bot.review.blind_vote import blank_vote_embed
from bot.review.cards import card_of
from bot.review.service import ReviewService
from bot.server.moderators import Moderators
from bot.training.report import ReportPoster
from storage.discord_records import Post
from storage.store import Store

__all__ = ["Withdrawals"]

_log = logging.getLogger(__name__)
_LOOK_BACK = 2000  # messages of a review channel searched for cards whose places are not known


class Withdrawals:
    """Those of one client."""

    def __init__(
        self, client: discord.Client, moderators: Moderators, review: ReviewService, reports: ReportPoster
    ) -> None:
        self._client = client
        self._moderators = moderators
        self._review = review
        self._reports = reports
        self._one_at_a_time = asyncio.Lock()

    async def carry_out(self, reply_ids: Collection[int] = ()) -> None:
        """Blank everything that is due.

        Args:
            reply_ids: replies whose words were removed just now, to look for cards of theirs that are not known.
        """
        async with self._one_at_a_time:
            refused: set[int] = set()  # channels
            while posts := [one for one in await self._due() if one.channel_id not in refused]:
                for post in posts:
                    if post.channel_id not in refused and not await self._withdraw(post):
                        refused.add(post.channel_id)
            await self._look_for_cards(reply_ids)

    async def _due(self) -> list[Post]:
        return await self._moderators.store.call(Store.due_posts, 1000)

    async def _withdraw(self, post: Post) -> bool:
        """Whether a post needs nothing more; if not, its channel is left for later."""
        guild = self._client.get_guild(post.guild_id) if post.guild_id is not None else None
        if post.guild_id is not None and guild is None:
            return False  # perhaps it is only not there at this moment
        try:
            with speaking(self._moderators.locale(guild)):
                await self._blank(post, guild)
        except discord.NotFound:
            await self._moderators.store.call(Store.posts_gone, [post.message_id])
        except UNSENT:
            _log.warning("Message %s still shows words that were removed", post.message_id, exc_info=True)
            return False
        else:
            await self._moderators.store.call(Store.post_done, post.message_id)
        return True

    async def _blank(self, post: Post, guild: discord.Guild | None) -> None:
        channel: Any = self._client.get_channel(post.channel_id)
        if channel is None:  # a direct message, or a thread that is archived
            channel = self._client.get_partial_messageable(post.channel_id, guild_id=post.guild_id)
        message: discord.PartialMessage = channel.get_partial_message(post.message_id)
        match post.kind:
            case "card":
                assert post.reply_id is not None and guild is not None  # noqa: S101, PT018  (as all cards have)
                async with self._review.verdicts.lock(post.reply_id):  # a verdict does not draw the words again
                    await self._review.cards.withdraw(guild, message, post.reply_id)
            case "question":
                await message.edit(embed=blank_vote_embed(), view=None)
            case "report":
                await self._reports.redraw(post, channel)
            case "answer":
                for part in await parts_of(channel, post.message_id):
                    await part.delete()

    async def _look_for_cards(self, reply_ids: Collection[int]) -> None:
        """Blank cards that were posted before the store kept where they stand."""
        first = await self._moderators.store.call(Store.first_carded) if reply_ids else None
        wanted = {one for one in reply_ids if first is None or one < first}
        for guild in self._client.guilds if wanted else ():
            channel = self._moderators.review_channel(guild)
            if channel is None:
                continue
            try:
                with speaking(self._moderators.locale(guild)):
                    async for message in channel.history(limit=_LOOK_BACK):
                        reply_id = card_of(message)
                        if reply_id in wanted and message.author.id == guild.me.id:
                            place = channel.get_partial_message(message.id)
                            await self._review.cards.withdraw(guild, place, reply_id)
            except UNSENT:
                _log.warning("Old cards in %s could not be looked for", channel, exc_info=True)
