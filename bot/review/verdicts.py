"""Gives a verdict: stores it, updates the card and a held answer, and tells a moderator who said otherwise.

Cards, message commands, the queue and reactions all use this. If two moderators judge a reply at once, the second waits
for the first; the later verdict counts, the earlier is kept, and both are told.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from weakref import WeakValueDictionary

import discord

from bot.discord_io.components import Interaction
from bot.discord_io.retry import UNSENT
from bot.i18n.en import moderation as texts
from bot.i18n.language import speaking
from bot.review.outbox import Outbox
from bot.server.moderators import Moderators
from storage.reply_records import Reply
from storage.review_records import Reason, Review, Verdict
from storage.store import Store
from storage.waiting import WaitsFor

__all__ = ["VerdictChange", "Verdicts"]

_log = logging.getLogger(__name__)
_REMEMBERED = 200  # verdicts whose moderator can still be told in private


@dataclass(frozen=True)
class VerdictChange:
    """A verdict that was given, the one before it, and what an approved reply waits for before it is learned from."""

    before: Review | None
    review: Review
    waits_for: tuple[WaitsFor, ...] = ()

    @property
    def overruled(self) -> Review | None:
        """The earlier verdict, if it was another moderator's and said something else."""
        before, now = self.before, self.review
        if before is None or before.reviewer_id == now.reviewer_id:
            return None
        return before if (before.verdict, before.edited_text) != (now.verdict, now.edited_text) else None

    @property
    def remark(self) -> str:
        """What the moderator reads about the earlier verdict; empty if there is nothing to say."""
        other = self.overruled
        return texts.overruling(other.reviewer, other.verdict) if other else ""


class Verdicts:
    """The verdicts of one client."""

    def __init__(self, moderators: Moderators, outbox: Outbox) -> None:
        self._moderators = moderators
        self._cards = outbox.cards
        self._outbox = outbox
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._given: dict[int, Interaction] = {}  # the last on each reply; a memory, never the truth

    def lock(self, reply_id: int) -> asyncio.Lock:
        """Hold it while a verdict is given and its card drawn, so that the card shows the latest verdict."""
        return self._locks.setdefault(reply_id, asyncio.Lock())

    async def give(
        self,
        reply: Reply,
        verdict: Verdict,
        by: discord.abc.User,
        *,
        text: str | None = None,
        reason: Reason | None = None,
    ) -> VerdictChange:
        """Store a verdict. Raises what `Store.add_review` raises."""

        def judge(store: Store) -> VerdictChange:
            before, review = store.judge(
                reply.id, verdict, reviewer=by.display_name, reviewer_id=by.id, edited_text=text, reason=reason
            )
            return VerdictChange(before, review, self._moderators.training_servers.waits_for(store, reply.id))

        return await self._moderators.store.call(judge)

    async def carry_out(
        self,
        change: VerdictChange,
        guild: discord.Guild,
        reply: Reply,
        interaction: Interaction | None = None,
        *,
        drawn: bool = True,
    ) -> None:
        """What follows from a verdict once its moderator has been answered: held answers, and the other moderator.

        The verdict's row in the outbox says that this is still to be done, until it is. `drawn`: its card shows it.
        """
        earlier = self._given.pop(reply.id, None)
        if interaction is not None:
            while len(self._given) >= _REMEMBERED:
                del self._given[next(iter(self._given))]
            self._given[reply.id] = interaction
        reason = await self._outbox.carry_out(reply.id, "verdict", drawn=drawn)
        if reason is not None:
            await self._tell_failure(reason, guild, reply, interaction)
        other = change.overruled
        if other is None:
            return

        def said(locale: str) -> str:
            with speaking(locale):
                return texts.overruled(change.review.reviewer, change.review.verdict, other.verdict, reply.id)

        if earlier is not None and earlier.user.id == other.reviewer_id:  # expired or not, Discord's clock decides
            try:
                await earlier.followup.send(said(str(earlier.locale)), ephemeral=True)
            except UNSENT:
                _log.info("%s could not be told in private", other.reviewer, exc_info=True)
            else:
                return
        await self._cards.tell(guild, f"{other.reviewer}: {said(self._moderators.locale(guild))}")

    async def _tell_failure(
        self, reason: str, guild: discord.Guild, reply: Reply, interaction: Interaction | None
    ) -> None:
        """Tell the moderator why what follows from the verdict could not be shown."""
        if interaction is not None:
            with speaking(str(interaction.locale)):
                told = texts.not_shown(reason)
            try:
                await interaction.followup.send(told, ephemeral=True)
            except UNSENT:
                _log.info("The moderator could not be told in private", exc_info=True)
            else:
                return
        with speaking(self._moderators.locale(guild)):
            await self._cards.tell(guild, f"{texts.reply_number(reply.id)}: {texts.not_shown(reason)}")
