"""The review service: records the verdicts of moderators, whichever way they are given.

Buttons of cards, message commands, the queue and the form all come here. It checks who may judge and answers them
through the surface that they used. What a verdict leads to is in bot/review/verdicts.py, how cards look in
bot/review/cards.py.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import discord
from discord import app_commands

from bot.chat.existing_answer import reply_shown_by
from bot.discord_io import limits
from bot.discord_io.components import Interaction, TextForm
from bot.discord_io.retry import UNSENT
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts, waiting
from bot.review.cards import FORM_LIMIT, Act, card_asker, card_of, reason_menu
from bot.review.outbox import Outbox
from bot.review.queue import QueuePage, ReviewQueue
from bot.review.recalled import show_recalled
from bot.review.verdicts import VerdictChange, Verdicts
from bot.server.moderators import Moderators, server_of
from storage.reply_records import Reply
from storage.review_records import QueueOrder, Reason, Verdict
from storage.store import Store

__all__ = ["ReviewService", "edit_form", "message_commands"]

_log = logging.getLogger(__name__)


class Surface(Protocol):
    """Where a moderator judges a reply, and reads what became of it. Both methods raise what Discord raises."""

    async def show_verdict(self, interaction: Interaction, reply: Reply, change: VerdictChange) -> bool:
        """Answer the moderator; returns whether this updated the reply's card."""
        ...

    async def show_reason(self, interaction: Interaction, text: str) -> None:
        """Answer that the reason for a rejection is stored."""
        ...


class ReviewService:
    """The review of replies on one client; `queue` shows them in private, `cards` in the card channel."""

    def __init__(self, moderators: Moderators, outbox: Outbox) -> None:
        self.moderators = moderators
        self.outbox = outbox
        self.cards = outbox.cards
        self.verdicts = Verdicts(moderators, outbox)
        self.queue = ReviewQueue(moderators)

    async def open(self, interaction: Interaction, reply_id: int, act: Act) -> None:
        """A card's button or a message command was used."""
        reply = await self.moderators.require_reply(interaction, reply_id)
        if act == "skip":
            await self._skip(interaction, reply)
        elif act == "show":
            await self._show_again(interaction, reply)
        elif act == "recalled":
            await show_recalled(interaction, self.moderators, reply)
        else:
            await self._judge(interaction, reply, act, self)

    async def open_in_queue(self, interaction: Interaction, order: QueueOrder, reply_id: int, act: Act | None) -> None:
        """A button of the queue was used; `act` is None for the one that starts it again."""
        if act is None or act == "skip":
            await self.queue.turn_page(interaction, order, reply_id if act == "skip" else None)
            return
        reply = await self.moderators.require_reply(interaction, reply_id)
        await self._judge(interaction, reply, act, QueuePage(self.queue, order))

    async def _judge(self, interaction: Interaction, reply: Reply, act: Act, surface: Surface) -> None:
        """Record a verdict, or show the form when it is an edit."""
        if act in ("approve", "reject", "undo"):
            await self._record(interaction, reply, cast("Verdict", act), surface)
            return

        async def submit(submitted: Interaction, text: str) -> None:
            await self.moderators.require_reply(submitted, reply.id)
            if not text.strip():
                raise Refused(texts.EDIT_EMPTY)
            await self._record(submitted, reply, "edit", surface, text.strip())

        await interaction.response.send_modal(edit_form(await self._text_to_edit(reply), submit))

    async def _text_to_edit(self, reply: Reply) -> str:
        """What the form begins with: the last edit, else the reply. Raises Refused where no form can hold it."""
        review = await self.moderators.store.call(Store.latest_review, reply.id)
        text = review.edited_text if review and review.edited_text is not None else reply.text
        if len(text) > FORM_LIMIT:
            raise Refused(texts.EDIT_TOO_LONG)
        return text

    async def _record(
        self, interaction: Interaction, reply: Reply, verdict: Verdict, surface: Surface, text: str | None = None
    ) -> None:
        """Store the verdict, answer the moderator, and carry out what follows from it."""
        guild = server_of(interaction)
        async with self.verdicts.lock(reply.id):
            change = await self.verdicts.give(reply, verdict, interaction.user, text=text)
            drawn = False
            try:
                drawn = await surface.show_verdict(interaction, reply, change)
            except UNSENT:  # the answer came too late, or not at all: the verdict is stored, and is carried out
                _log.warning("The moderator of reply %s could not be answered", reply.id, exc_info=True)
            drawn = drawn or await self.cards.redraw(guild, reply)
        await self.verdicts.carry_out(change, guild, reply, interaction, drawn=drawn)

    async def explain(
        self, interaction: Interaction, reply_id: int, reason: Reason, page: tuple[QueueOrder, int] | None
    ) -> None:
        """A reason was chosen for a rejection that is stored already; `page` is the queue's page it was chosen on."""
        reply = await self.moderators.require_reply(interaction, reply_id)
        surface: Surface = QueuePage(self.queue, *page) if page else self
        async with self.verdicts.lock(reply_id):
            review = await self.moderators.store.call(Store.latest_review, reply_id)
            if review is None or review.verdict != "reject":
                raise Refused(words.NOT_REJECTED)
            await self.verdicts.give(reply, "reject", interaction.user, reason=reason)
            try:
                await surface.show_reason(interaction, words.rejected_because(reason))
            except UNSENT:
                _log.warning("The moderator of reply %s could not be answered", reply.id, exc_info=True)
            drawn = await self.cards.redraw(server_of(interaction), reply)
        await self.outbox.carry_out(reply_id, "verdict", drawn=drawn)

    async def show_verdict(self, interaction: Interaction, reply: Reply, change: VerdictChange) -> bool:
        """Answer on the card, where its button was used, else in a private message."""
        verdict, message = change.review.verdict, interaction.message
        lines = [waiting.recorded(verdict, change.waits_for), change.remark]
        told = limits.content("\n".join(filter(None, lines)))
        view = reason_menu(reply.id) if verdict == "reject" else discord.utils.MISSING
        if message is None or card_of(message) != reply.id:
            await interaction.response.send_message(told, view=view, ephemeral=True)
            return False
        embed, buttons = await self.cards.draw(server_of(interaction), reply, card_asker(message))
        await interaction.response.edit_message(embed=embed, view=buttons)
        if verdict == "reject" or change.remark:
            await interaction.followup.send(told, view=view, ephemeral=True)
        return True

    async def show_reason(self, interaction: Interaction, text: str) -> None:
        """Say it in the private message that held the menu."""
        await interaction.response.edit_message(content=text, view=None)

    async def changed(self, guild: discord.Guild, reply_id: int) -> None:
        """Update the card of a reply that was changed or judged elsewhere."""
        await self.cards.redraw(guild, await self.moderators.store.call(Store.reply, reply_id))

    async def find(self, message: discord.Message) -> int:
        """The id of the reply that a message shows, in its first part or a later one. Raises Refused."""
        if message.guild is None or message.author.id != message.guild.me.id:
            raise Refused(texts.NOT_MY_REPLY)
        on_card = card_of(message)
        if on_card is not None:
            return on_card
        reply = await reply_shown_by(self.moderators.store, message)
        if reply is None:
            raise Refused(texts.NOT_RECORDED)
        return reply.id

    async def _show_again(self, interaction: Interaction, reply: Reply) -> None:
        """Try again what could not be shown."""
        guild = server_of(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        reason = await self.outbox.carry_out(reply.id)
        await self.cards.redraw(guild, reply)
        await interaction.followup.send(words.NOT_SHOWN[reason] if reason else words.SHOWN_NOW, ephemeral=True)

    async def _skip(self, interaction: Interaction, reply: Reply) -> None:
        """Shorten the card; the reply still waits, for another moderator or the queue."""
        message, guild = interaction.message, interaction.guild
        if message is None or guild is None or card_of(message) != reply.id:
            raise Refused(texts.NOT_MY_REPLY)
        embed, view = await self.cards.draw(guild, reply, card_asker(message), skipped_by=interaction.user.display_name)
        await interaction.response.edit_message(embed=embed, view=view)


def edit_form(text: str, submit: Callable[[Interaction, str], Awaitable[None]]) -> TextForm:
    """The form in which a moderator edits a reply."""
    return TextForm(
        submit,
        title=texts.EDIT_TITLE,
        label=texts.EDIT_LABEL,
        custom_id="answer",
        default=text,
        max_length=FORM_LIMIT,
    )


def message_commands(review: ReviewService, *, hidden: bool) -> list[app_commands.ContextMenu]:
    """Approve, Edit and Reject in the Apps menu of a message.

    `hidden` keeps them out of the menus of members without Manage Messages; leave it off where a role reviews.
    """

    def command(name: str, act: Act) -> app_commands.ContextMenu:
        async def callback(interaction: Interaction, message: discord.Message) -> None:
            review.moderators.require(interaction)
            await review.open(interaction, await review.find(message), act)

        menu = app_commands.ContextMenu(name=name, callback=callback)
        menu.guild_only = True
        if hidden:
            menu.default_permissions = discord.Permissions(manage_messages=True)
        return menu

    return [
        command(texts.APPROVE, "approve"),
        command(texts.EDIT, "edit"),
        command(texts.REJECT, "reject"),
    ]
