"""/review: a private queue of one card after another, for fast work.

A page's buttons carry the order and the reply shown, so the queue needs no memory and goes on after a restart. Skipping
goes on to the reply behind; a verdict does so too, and can be taken back from the next page.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Literal, Self

import discord
from discord import app_commands

from bot.discord_io import limits
from bot.discord_io.deferral import in_time, redraw, respond
from bot.discord_io.interaction_errors import answered
from bot.discord_io.retry import UNSENT
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.review.card_channel import CardChannel
from bot.review.cards import FORM_LIMIT, STYLES, WAITING, Act, CorrectionForm, ReasonMenu, card, jump, label
from bot.review.verdicts import Ruling, Verdicts
from bot.server.moderators import Moderators
from storage.records import QueueCard, QueueOrder, Reply, Verdict
from storage.store import Store

__all__ = ["QueueButton", "ReviewQueue", "review_command"]

_log = logging.getLogger(__name__)
Page = tuple[discord.Embed, discord.ui.View]


@dataclass(frozen=True)
class _Reader:
    """A moderator's view: the server, and the channels and threads whose replies are theirs to judge."""

    guild: discord.Guild
    places: list[int] | None
    """None: all there are."""


class ReviewQueue:
    """The queues of all moderators of one client."""

    def __init__(self, moderators: Moderators, cards: CardChannel, verdicts: Verdicts) -> None:
        self._moderators = moderators
        self._cards = cards
        self._verdicts = verdicts

    @answered
    async def start(self, interaction: discord.Interaction[Any], order: QueueOrder) -> None:
        """Show a moderator the first card."""
        reader = await in_time(interaction, self._reader(interaction))
        embed, view = await in_time(interaction, self._page(reader, order))
        await respond(interaction, embed=embed, view=view)

    @answered
    async def press(
        self, interaction: discord.Interaction[Any], order: QueueOrder, act: Act | Literal["start"], reply_id: int
    ) -> None:
        """A button of a page was used."""
        if act in ("start", "skip"):
            reader = await in_time(interaction, self._reader(interaction))
            embed, view = await in_time(interaction, self._page(reader, order, reply_id if act == "skip" else None))
            await redraw(interaction, content=None, embed=embed, view=view)
            return
        reply = await self._moderators.require_reply(interaction, reply_id)
        if act == "edit":
            if len(reply.text) > FORM_LIMIT:
                raise Refused(texts.EDIT_TOO_LONG)
            await interaction.response.send_modal(CorrectionForm(reply.text, self._form_of(order, reply)))
        elif act in ("approve", "reject", "undo"):
            await self._record(interaction, order, reply, act)

    async def stay(self, interaction: discord.Interaction[Any], order: QueueOrder, shown: int, told: str) -> None:
        """Draw the page that is shown again, with something to say above it; `shown` 0 is the end of the queue."""
        reader = await in_time(interaction, self._reader(interaction))
        if shown:
            await self._moderators.require_reply(interaction, shown)
        page = self._page_of(reader, order, shown) if shown else self._page(reader, order)
        embed, view = await in_time(interaction, page)
        await redraw(interaction, content=told, embed=embed, view=view)

    def _form_of(self, order: QueueOrder, reply: Reply) -> Any:
        @answered
        async def submit(interaction: discord.Interaction[Any], text: str) -> None:
            await self._moderators.require_reply(interaction, reply.id)
            if not text.strip():
                raise Refused(texts.EDIT_EMPTY)
            await self._record(interaction, order, reply, "edit", text=text.strip())

        return submit

    async def _record(
        self,
        interaction: discord.Interaction[Any],
        order: QueueOrder,
        reply: Reply,
        verdict: Verdict,
        *,
        text: str | None = None,
    ) -> None:
        reader = await in_time(interaction, self._reader(interaction))
        guild = reader.guild
        async with self._verdicts.turn(reply.id):
            ruling = await self._verdicts.give(reply, verdict, interaction.user, text=text)
            if verdict == "undo":
                page = self._page_of(reader, order, reply.id)
            else:
                page = self._page(reader, order, reply.id, ruling)
            told = limits.content("\n".join(filter(None, [words.queue_done(verdict, reply.id), ruling.remark])))
            try:
                embed, view = await in_time(interaction, page)
                await redraw(interaction, content=told, embed=embed, view=view)
            except UNSENT:  # the answer came too late, or not at all: the verdict stands, and is carried out
                _log.warning("The moderator of reply %s could not be answered", reply.id, exc_info=True)
            drawn = await self._cards.redraw(guild, reply)
        await self._verdicts.carry_out(ruling, guild, reply, interaction, drawn=drawn)

    async def _reader(self, interaction: discord.Interaction[Any]) -> _Reader:
        """Whose queue it is: a moderator's of the server, or of one channel at least. Raises Refused for others."""
        guild, user = interaction.guild, interaction.user
        places = await self._moderators.judged(user, guild) if guild is not None else []
        if guild is None or not places:
            guild = self._moderators.require(interaction)
        everywhere = len(places) == len(await self._moderators.store.look(Store.places, guild.id))
        return _Reader(guild, None if everywhere else places)  # None spares looking at each reply's channel

    async def _page_of(self, reader: _Reader, order: QueueOrder, reply_id: int) -> Page:
        """The page of one reply, whatever its place."""
        guild, places = reader.guild, reader.places
        reply = await self._moderators.store.call(Store.reply, reply_id)
        left = await self._moderators.store.look(lambda store: store.waiting(guild.id, places=places))
        return await self._drawn(guild, order, QueueCard(reply, left), None)

    async def _page(
        self, reader: _Reader, order: QueueOrder, after: int | None = None, last: Ruling | None = None
    ) -> Page:
        """The page behind reply `after`, from the first if that is None; `last` is the verdict just given."""
        guild, places = reader.guild, reader.places
        found = await self._moderators.store.look(lambda store: store.next_card(guild.id, order, after, places=places))
        if found is not None:
            return await self._drawn(guild, order, found, last)
        left = await self._moderators.store.look(lambda store: store.waiting(guild.id, places=places))
        text = words.queue_end(left) if left else words.QUEUE_EMPTY
        view = discord.ui.View(timeout=None)
        if left:
            view.add_item(QueueButton(order, "start", 0))
        _add_last(view, order, 0, last)
        return limits.Embed(description=text, colour=discord.Colour.green()), view

    async def _drawn(self, guild: discord.Guild, order: QueueOrder, found: QueueCard, last: Ruling | None) -> Page:
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


def _add_last(view: discord.ui.View, order: QueueOrder, shown: int, last: Ruling | None) -> None:
    """What can still be done about the verdict just given: take it back, or say why."""
    if last is None:
        return
    if last.review.verdict == "reject":
        view.add_item(ReasonMenu(last.review.reply_id, (order, shown)))
    view.add_item(QueueButton(order, "undo", last.review.reply_id, row=2))


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


class QueueButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
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
    async def from_custom_id(
        cls, _interaction: discord.Interaction[Any], _item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        return cls(match["order"], match["act"], int(match["reply"]))  # type: ignore[arg-type]  # as in the template

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.client.review.queue.press(interaction, self.order, self.act, self.reply_id)


def review_command(queue: ReviewQueue) -> app_commands.Command[Any, ..., None]:
    """The slash command that opens a queue."""

    @app_commands.command(name="review", description="Review my answers one after another, privately")
    @app_commands.describe(order="Which come first")
    @app_commands.guild_only()
    async def review(
        interaction: discord.Interaction[Any], order: Literal["newest", "oldest", "unsure"] = "newest"
    ) -> None:
        await queue.start(interaction, order)

    return review
