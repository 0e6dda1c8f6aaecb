"""Giving a verdict: into the store, onto the card, onto a held answer, and to whoever had said otherwise.

One way for all of them: a card's buttons, a message command, the queue, a reaction. Two moderators at once take turns
for each reply; the later verdict stands, the earlier is kept, and both are told.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import discord

from bot.discord_io.retry import UNSENT
from bot.i18n.en import moderation as texts
from bot.i18n.language import speaking
from bot.review.outbox import Outbox
from bot.server.moderators import Moderators
from storage.records import Reason, Reply, Review, Verdict

__all__ = ["Ruling", "Verdicts"]

_log = logging.getLogger(__name__)
_REMEMBERED = 200  # verdicts whose moderator can still be told in private


@dataclass(frozen=True)
class Ruling:
    """A verdict that was given, and the one that stood before it."""

    before: Review | None
    review: Review

    @property
    def overruled(self) -> Review | None:
        """The earlier verdict, if it was another moderator's and said something else."""
        before, now = self.before, self.review
        if before is None or before.reviewer_id == now.reviewer_id:
            return None
        return before if (before.verdict, before.edited_text) != (now.verdict, now.edited_text) else None

    @property
    def remark(self) -> str:
        """What the moderator hears about the earlier verdict; empty if there is nothing to say."""
        other = self.overruled
        return texts.overruling(other.reviewer, other.verdict) if other else ""


class Verdicts:
    """The verdicts of one client."""

    def __init__(self, moderators: Moderators, outbox: Outbox) -> None:
        self._moderators = moderators
        self._cards = outbox.cards
        self._outbox = outbox
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._given: dict[int, discord.Interaction[Any]] = {}  # the last on each reply; a memory, never the truth

    def turn(self, reply_id: int) -> asyncio.Lock:
        """Hold it while a verdict is given and its card drawn, so that the card shows the verdict that stands."""
        return self._turns.setdefault(reply_id, asyncio.Lock())

    async def give(
        self,
        reply: Reply,
        verdict: Verdict,
        by: discord.abc.User,
        *,
        text: str | None = None,
        reason: Reason | None = None,
    ) -> Ruling:
        """Write a verdict down. Raises what `Store.add_review` raises."""
        before, review = await self._moderators.store.call(
            lambda store: store.judge(
                reply.id, verdict, reviewer=by.display_name, reviewer_id=by.id, edited_text=text, reason=reason
            )
        )
        return Ruling(before, review)

    async def carry_out(
        self,
        ruling: Ruling,
        guild: discord.Guild,
        reply: Reply,
        interaction: discord.Interaction[Any] | None = None,
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
        other = ruling.overruled
        if other is None:
            return

        def said(locale: str) -> str:
            with speaking(locale):
                return texts.overruled(ruling.review.reviewer, ruling.review.verdict, other.verdict, reply.id)

        if earlier is not None and earlier.user.id == other.reviewer_id:  # expired or not, Discord's clock decides
            try:
                await earlier.followup.send(said(str(earlier.locale)), ephemeral=True)
            except UNSENT:
                _log.info("%s could not be told in private", other.reviewer, exc_info=True)
            else:
                return
        await self._cards.tell(guild, f"{other.reviewer}: {said(self._moderators.locale(guild))}")

    async def _tell_failure(
        self, reason: str, guild: discord.Guild, reply: Reply, interaction: discord.Interaction[Any] | None
    ) -> None:
        """The moderator hears what became of the verdict, beside the card that shows it."""
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
