"""The review service: what moderators do with a reply, from a card's buttons, a message command or the form.

Checks who asks and answers them. What a verdict leads to is bot/review/verdicts.py, how cards look bot/review/cards.py;
what a verdict is good for, the trainer decides.
"""

from __future__ import annotations

import logging
from typing import Any

import discord
from discord import app_commands

from bot.chat.existing_answer import reply_shown_by
from bot.discord_io import limits
from bot.discord_io.interaction_errors import answered
from bot.discord_io.retry import UNSENT
from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.review.cards import FORM_LIMIT, Act, CorrectionForm, card_asker, card_of, reason_menu
from bot.review.outbox import Outbox
from bot.review.queue import ReviewQueue
from bot.review.verdicts import Verdicts
from bot.server.moderators import Moderators
from storage.records import Reason, Reply, Verdict
from storage.store import Store

__all__ = ["ReviewService", "message_commands"]

_log = logging.getLogger(__name__)


class ReviewService:
    """The review of replies on one client; `queue` is its private way, `cards` its public one."""

    def __init__(self, moderators: Moderators, outbox: Outbox) -> None:
        self.moderators = moderators
        self.outbox = outbox
        self.cards = outbox.cards
        self.verdicts = Verdicts(moderators, outbox)
        self.queue = ReviewQueue(moderators, self.cards, self.verdicts)

    @answered
    async def open(self, interaction: discord.Interaction[Any], reply_id: int, act: Act) -> None:
        """A button or message command was used: record the verdict, or show the form when it is an edit."""
        reply = await self.allowed(interaction, reply_id)
        if act == "skip":
            await self._skip(interaction, reply)
        elif act == "show":
            await self._show_again(interaction, reply)
        elif act == "edit":
            await interaction.response.send_modal(CorrectionForm(await self.text_to_edit(reply), self._form_of(reply)))
        else:
            await self._record(interaction, reply, act)

    @answered
    async def explain(
        self, interaction: discord.Interaction[Any], reply_id: int, reason: Reason, place: tuple[Any, int] | None
    ) -> None:
        """A reason was chosen for a rejection that was recorded already."""
        reply = await self.allowed(interaction, reply_id)
        async with self.verdicts.turn(reply_id):
            standing = await self.moderators.store.call(Store.latest_review, reply_id)
            if standing is None or standing.verdict != "reject":
                raise Refused(words.NOT_REJECTED)
            await self.verdicts.give(reply, "reject", interaction.user, reason=reason)
            told = words.rejected_because(reason)
            try:
                if place is None:
                    await interaction.response.edit_message(content=told, view=None)
                else:
                    await self.queue.stay(interaction, *place, told)
            except UNSENT:
                _log.warning("The moderator of reply %s could not be answered", reply.id, exc_info=True)
            drawn = interaction.guild is None or await self.cards.redraw(interaction.guild, reply)
        await self.outbox.carry_out(reply_id, "verdict", drawn=drawn)

    async def text_to_edit(self, reply: Reply) -> str:
        """What the form begins with: the last edit, else the reply. Raises Refused where no form can hold it."""
        review = await self.moderators.store.call(Store.latest_review, reply.id)
        text = review.edited_text if review and review.edited_text is not None else reply.text
        if len(text) > FORM_LIMIT:
            raise Refused(texts.EDIT_TOO_LONG)
        return text

    async def changed(self, guild: discord.Guild, reply_id: int) -> None:
        """A reply was judged elsewhere: bring its card in step."""
        await self.cards.redraw(guild, await self.moderators.store.call(Store.reply, reply_id))

    async def find(self, message: discord.Message) -> int:
        """The id of the reply that a message shows, be it its first part or a later one. Raises Refused."""
        if message.guild is None or message.author.id != message.guild.me.id:
            raise Refused(texts.NOT_MY_REPLY)
        carded = card_of(message)
        if carded is not None:
            return carded
        reply = await reply_shown_by(self.moderators.store, message)
        if reply is None:
            raise Refused(texts.NOT_RECORDED)
        return reply.id

    async def allowed(self, interaction: discord.Interaction[Any], reply_id: int) -> Reply:
        """The reply, if whoever acts may judge it: they read and moderate where it was given. Raises Refused."""
        return await self.moderators.require_reply(interaction, reply_id)

    def _form_of(self, reply: Reply) -> Any:
        @answered
        async def submit(interaction: discord.Interaction[Any], text: str) -> None:
            await self.allowed(interaction, reply.id)
            if not text.strip():
                raise Refused(texts.EDIT_EMPTY)
            await self._record(interaction, reply, "edit", text.strip())

        return submit

    async def _record(
        self, interaction: discord.Interaction[Any], reply: Reply, verdict: Verdict, text: str | None = None
    ) -> None:
        """Write the verdict down, answer the moderator, and let what follows from it follow."""
        guild, message = interaction.guild, interaction.message
        assert guild is not None  # noqa: S101  (`allowed` has seen to that; says so to the type checker)
        async with self.verdicts.turn(reply.id):
            ruling = await self.verdicts.give(reply, verdict, interaction.user, text=text)
            lines = [{**texts.RECORDED, "undo": words.UNDONE}[verdict], ruling.remark]
            told = limits.content("\n".join(filter(None, lines)))
            view = reason_menu(reply.id) if verdict == "reject" else discord.utils.MISSING
            on_card = message is not None and card_of(message) == reply.id
            try:
                if message is not None and on_card:
                    embed, buttons = await self.cards.face(guild, reply, card_asker(message))
                    await interaction.response.edit_message(embed=embed, view=buttons)
                    if verdict == "reject" or ruling.remark:
                        await interaction.followup.send(told, view=view, ephemeral=True)
                else:
                    await interaction.response.send_message(told, view=view, ephemeral=True)
            except UNSENT:  # the answer came too late, or not at all: the verdict stands, and is carried out
                _log.warning("The moderator of reply %s could not be answered", reply.id, exc_info=True)
                on_card = False
            drawn = on_card or await self.cards.redraw(guild, reply)
        await self.verdicts.carry_out(ruling, guild, reply, interaction, drawn=drawn)

    async def _show_again(self, interaction: discord.Interaction[Any], reply: Reply) -> None:
        """Try again what could not be shown."""
        guild = self.moderators.require(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        reason = await self.outbox.carry_out(reply.id)
        await self.cards.redraw(guild, reply)
        await interaction.followup.send(words.NOT_SHOWN[reason] if reason else words.SHOWN_NOW, ephemeral=True)

    async def _skip(self, interaction: discord.Interaction[Any], reply: Reply) -> None:
        """Fold the card; the reply waits on, for somebody else or for the queue."""
        message, guild = interaction.message, interaction.guild
        if message is None or guild is None or card_of(message) != reply.id:
            raise Refused(texts.NOT_MY_REPLY)
        embed, view = await self.cards.face(guild, reply, card_asker(message), skipped_by=interaction.user.display_name)
        await interaction.response.edit_message(embed=embed, view=view)


def message_commands(review: ReviewService, *, hidden: bool) -> list[app_commands.ContextMenu]:
    """Approve, Edit and Reject in the Apps menu of a message.

    `hidden` keeps them out of the menus of members without Manage Messages; leave it off where a role reviews.
    """

    def command(name: str, act: Act) -> app_commands.ContextMenu:
        @answered
        async def callback(interaction: discord.Interaction[Any], message: discord.Message) -> None:
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
