"""/review: a private queue of one card after another, for fast work.

A page's buttons name the order and the reply shown, so the queue works after a restart. Skip shows the next reply. A
verdict does too, and can be undone from that page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, Self

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.components import Component, Interaction
from bot.discord_io.deferral import in_time, redraw, respond
from bot.i18n.en import moderation as words
from bot.i18n.en import texts, waiting
from bot.review.cards import STYLES, WAITING, Act, ReasonMenu, card, jump, label
from bot.review.verdicts import VerdictChange
from bot.server.moderators import Moderators, server_of
from storage.reply_records import Reply
from storage.review_records import QueueCard, QueueOrder, Review
from storage.store import Store

__all__ = ["QueueButton", "QueuePage", "ReviewQueue", "review_command"]

Page = tuple[discord.Embed, discord.ui.View]


@dataclass(frozen=True)
class _Scope:
    """The server, and the channels and threads whose replies a moderator may judge."""

    guild: discord.Guild
    places: list[int] | None
    """None: all there are."""


class ReviewQueue:
    """The queues of all moderators of one client."""

    def __init__(self, moderators: Moderators) -> None:
        self._moderators = moderators

    async def start(self, interaction: Interaction, order: QueueOrder) -> None:
        """Show a moderator the first card."""
        embed, view = await in_time(interaction, self._next_page(interaction, order))
        await respond(interaction, embed=embed, view=view)

    async def turn_page(self, interaction: Interaction, order: QueueOrder, after: int | None) -> None:
        """Show the card behind reply `after`, or the first."""
        embed, view = await in_time(interaction, self._next_page(interaction, order, after))
        await redraw(interaction, content=None, embed=embed, view=view)

    async def show_verdict(
        self, interaction: Interaction, order: QueueOrder, reply: Reply, change: VerdictChange
    ) -> None:
        """Show the next card and what was stored; or the same card, when a verdict was taken back."""
        verdict = change.review.verdict
        if verdict == "undo":
            page = self._page_of(interaction, order, reply.id)
        else:
            page = self._next_page(interaction, order, reply.id, change.review)
        lines = [words.queue_done(verdict, reply.id), waiting.waiting(change.waits_for), change.remark]
        told = limits.content("\n".join(filter(None, lines)))
        embed, view = await in_time(interaction, page)
        await redraw(interaction, content=told, embed=embed, view=view)

    async def stay(self, interaction: Interaction, order: QueueOrder, shown: int, told: str) -> None:
        """Draw the page that is shown again, with something to say above it; `shown` 0 is the end of the queue."""
        if shown:
            await self._moderators.require_reply(interaction, shown)
        page = self._page_of(interaction, order, shown) if shown else self._next_page(interaction, order)
        embed, view = await in_time(interaction, page)
        await redraw(interaction, content=told, embed=embed, view=view)

    async def _scope(self, interaction: Interaction) -> _Scope:
        """What a moderator of the server, or of one channel at least, may judge. Raises Refused for others."""
        guild = server_of(interaction)
        places = await self._moderators.judged(interaction.user, guild)
        if not places:
            self._moderators.require(interaction)
        everywhere = len(places) == len(await self._moderators.store.read(Store.places, guild.id))
        return _Scope(guild, None if everywhere else places)  # None spares looking at each reply's channel

    async def _page_of(self, interaction: Interaction, order: QueueOrder, reply_id: int) -> Page:
        """The page of one reply, wherever it is in the queue."""
        scope = await self._scope(interaction)
        reply = await self._moderators.store.call(Store.reply, reply_id)
        left = await self._waiting(scope)
        return await self._draw(scope.guild, order, QueueCard(reply, left), None)

    async def _next_page(
        self, interaction: Interaction, order: QueueOrder, after: int | None = None, last: Review | None = None
    ) -> Page:
        """The page behind reply `after`, or the first; `last` is the verdict just given."""
        scope = await self._scope(interaction)
        found = await self._moderators.store.read(
            lambda store: store.next_card(scope.guild.id, order, after, places=scope.places)
        )
        if found is not None:
            return await self._draw(scope.guild, order, found, last)
        left = await self._waiting(scope)
        text = words.queue_end(left) if left else words.QUEUE_EMPTY
        view = discord.ui.View(timeout=None)
        if left:
            view.add_item(QueueButton(order, "start", 0))
        _add_last(view, order, 0, last)
        return limits.Embed(description=text, colour=discord.Colour.green()), view

    async def _waiting(self, scope: _Scope) -> int:
        return await self._moderators.store.read(lambda store: store.waiting(scope.guild.id, places=scope.places))

    async def _draw(self, guild: discord.Guild, order: QueueOrder, found: QueueCard, last: Review | None) -> Page:
        reply = found.reply
        held = await self._moderators.store.call(lambda store: store.held_in(reply.id)) is not None
        embed = card(reply, None, await _name(guild, reply.asker_id), held=held)
        title = words.queue_title(found.left, order)
        embed.title = f"{title} \u00b7 {words.HELD}" if held else title
        view = discord.ui.View(timeout=None)
        for act in WAITING:
            view.add_item(QueueButton(order, act, reply.id))
        if link := jump(reply):
            view.add_item(link)
        _add_last(view, order, reply.id, last)
        return embed, view


def _add_last(view: discord.ui.View, order: QueueOrder, shown: int, last: Review | None) -> None:
    """What can still be done about the verdict just given: undo it, or say why."""
    if last is None:
        return
    if last.verdict == "reject":
        view.add_item(ReasonMenu(last.reply_id, (order, shown)))
    view.add_item(QueueButton(order, "undo", last.reply_id, row=2))


async def _name(guild: discord.Guild, user_id: int | None) -> str:
    """The display name of a member, as far as it can be known: the store has numbers only."""
    if user_id is None:
        return texts.SOMEBODY
    member = guild.get_member(user_id)
    if member is None:
        try:
            member = await guild.fetch_member(user_id)
        except discord.HTTPException:  # has left
            return texts.SOMEBODY
    return member.display_name


@dataclass(frozen=True)
class QueuePage:
    """The page of a queue as the surface on which a moderator judges."""

    queue: ReviewQueue
    order: QueueOrder
    shown: int = 0
    """The reply shown there; 0 at the end of the queue."""

    async def show_verdict(self, interaction: Interaction, reply: Reply, change: VerdictChange) -> bool:
        await self.queue.show_verdict(interaction, self.order, reply, change)
        return False

    async def show_reason(self, interaction: Interaction, text: str) -> None:
        await self.queue.stay(interaction, self.order, self.shown, text)


class QueueButton(
    Component[discord.ui.Button[discord.ui.View]],
    template=r"nightshift:queue:(?P<order>newest|oldest|unsure)"
    r":(?P<act>approve|edit|reject|skip|undo|start):(?P<reply>\d+)",
):
    """A button of a page."""

    def __init__(
        self, order: QueueOrder, act: Act | Literal["start"], reply_id: int, *, row: int | None = None
    ) -> None:
        super().__init__(
            discord.ui.Button(
                label=words.QUEUE_START if act == "start" else label(act),
                style=discord.ButtonStyle.primary if act == "start" else STYLES[act],
                custom_id=f"nightshift:queue:{order}:{act}:{reply_id}",
                row=row,
            )
        )
        self.order = order
        self.act = act
        self.reply_id = reply_id

    @classmethod
    def from_match(cls, match: re.Match[str]) -> Self:
        return cls(match["order"], match["act"], int(match["reply"]))  # type: ignore[arg-type]  # as in the template

    async def use(self, interaction: Interaction) -> None:
        act = None if self.act == "start" else self.act
        await interaction.client.review.open_in_queue(interaction, self.order, self.reply_id, act)


def review_command(queue: ReviewQueue) -> app_commands.Command[app_commands.Group, ..., None]:
    """The slash command that opens a queue."""

    @app_commands.command(name="review", description="Review my answers one by one, visible only to you")
    @app_commands.describe(order="Which answers come first")
    @app_commands.guild_only()
    async def review(interaction: Interaction, order: Literal["newest", "oldest", "unsure"] = "newest") -> None:
        await queue.start(interaction, order)

    return review
