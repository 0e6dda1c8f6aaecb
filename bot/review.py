"""Verdicts: what moderators do with a reply, from a card's buttons, from a message command or from the form.

Checks who asks, writes the verdict to the store, and keeps the card in the review channel in step with it. How cards
look is bot/cards.py; what a verdict is good for, the trainer decides.
"""

from __future__ import annotations

import logging
from typing import Any

import discord
from discord import app_commands

from bot import texts
from bot.cards import FORM_LIMIT, CorrectionForm, card, card_asker, card_buttons, card_of
from bot.errors import Refused
from bot.handler import answered
from bot.permissions import matches, require_moderator
from bot.settings import DiscordConfig
from storage.records import Reply, Review, Verdict
from storage.store import Store
from storage.writer import AsyncStore

__all__ = ["ReviewDesk", "message_commands", "review_channel"]

_log = logging.getLogger(__name__)
_LOOK_BACK = 200  # messages of the review channel searched for a card whose place is not remembered
_REMEMBERED = 1000  # places of cards kept in memory


def review_channel(guild: discord.Guild, wanted: int | str | None) -> discord.TextChannel | None:
    """The channel of this server that the setting names, if there is one."""
    return next((one for one in guild.text_channels if matches(wanted, one.id, one.name)), None)


class ReviewDesk:
    """The review of replies on one client."""

    def __init__(self, store: AsyncStore, config: DiscordConfig) -> None:
        self._store = store
        self._config = config
        self._cards: dict[int, int] = {}  # reply id to message id; a memory, never the truth

    @property
    def moderator_role(self) -> int | str | None:
        """The role that reviews, as the settings name it."""
        return self._config.moderator_role

    async def post(self, reply_id: int, guild: discord.Guild, asker: str) -> None:
        """Put a card for a new reply into its server's review channel. A reply in a direct message gets none."""
        channel = review_channel(guild, self._config.review_channel)
        if channel is None:
            return
        reply = await self._store.call(Store.reply, reply_id)
        message = await channel.send(embed=card(reply, None, asker), view=card_buttons(reply))
        self._remember(reply_id, message)

    @answered
    async def open(self, interaction: discord.Interaction[Any], reply_id: int, verdict: Verdict) -> None:
        """A button or message command was used: record the verdict, or show the form when it is an edit."""
        reply = await self._allowed(interaction, reply_id)
        if verdict != "edit":
            await self._record(interaction, reply, verdict, None)
            return
        review = await self._store.call(Store.latest_review, reply_id)
        text = review.edited_text if review and review.edited_text is not None else reply.text
        if len(text) > FORM_LIMIT:
            raise Refused(texts.EDIT_TOO_LONG)
        await interaction.response.send_modal(CorrectionForm(reply_id, text, self.submit))

    @answered
    async def submit(
        self, interaction: discord.Interaction[Any], reply_id: int, verdict: Verdict, text: str | None
    ) -> None:
        """The form came back."""
        reply = await self._allowed(interaction, reply_id)
        if text is None or not text.strip():
            raise Refused(texts.EDIT_EMPTY)
        await self._record(interaction, reply, verdict, text.strip())

    async def find(self, message: discord.Message) -> int:
        """The id of the reply that a message shows, be it its first part or a later one. Raises Refused."""
        if message.guild is None or message.author.id != message.guild.me.id:
            raise Refused(texts.NOT_MY_REPLY)
        carded = card_of(message)
        if carded is not None:
            return carded
        reply = await self._store.call(Store.reply_by_message, message.id)
        if reply is None and message.reference is not None and message.reference.message_id is not None:
            reply = await self._store.call(Store.reply_by_message, message.reference.message_id)
        if reply is None:
            raise Refused(texts.NOT_RECORDED)
        return reply.id

    async def _allowed(self, interaction: discord.Interaction[Any], reply_id: int) -> Reply:
        require_moderator(interaction, self._config.moderator_role)
        reply = await self._store.call(Store.reply, reply_id)
        if reply.guild_id != interaction.guild_id:
            raise Refused(texts.OTHER_SERVER)
        return reply

    async def _record(
        self, interaction: discord.Interaction[Any], reply: Reply, verdict: Verdict, text: str | None
    ) -> None:
        review = await self._store.call(
            Store.add_review,
            reply.id,
            verdict,
            reviewer=interaction.user.display_name,
            reviewer_id=interaction.user.id,
            edited_text=text,
        )
        if interaction.message is not None and card_of(interaction.message) == reply.id:
            await interaction.response.edit_message(embed=card(reply, review, card_asker(interaction.message)))
            return
        await interaction.response.send_message(texts.RECORDED[verdict], ephemeral=True)
        await self._redraw(interaction.guild, reply, review)

    async def _redraw(self, guild: discord.Guild | None, reply: Reply, review: Review) -> None:
        """Bring the card in step. A card that cannot be found or edited is no failure of the verdict."""
        try:
            message = await self._card(guild, reply.id)
            if message is not None:
                await message.edit(embed=card(reply, review, card_asker(message)))
        except discord.HTTPException:
            _log.warning("The card of reply %s could not be updated", reply.id, exc_info=True)

    async def _card(self, guild: discord.Guild | None, reply_id: int) -> discord.Message | None:
        """The card of a reply: where it is remembered to be, else wherever it is found among the newest messages."""
        channel = review_channel(guild, self._config.review_channel) if guild else None
        if channel is None:
            return None
        known = self._cards.get(reply_id)
        if known is not None:
            return await channel.fetch_message(known)
        async for message in channel.history(limit=_LOOK_BACK):
            if card_of(message) == reply_id:
                self._remember(reply_id, message)
                return message
        return None

    def _remember(self, reply_id: int, message: discord.Message) -> None:
        while len(self._cards) >= _REMEMBERED:
            del self._cards[next(iter(self._cards))]
        self._cards[reply_id] = message.id


def message_commands(desk: ReviewDesk, *, hidden: bool) -> list[app_commands.ContextMenu]:
    """Approve, Edit and Reject in the Apps menu of a message.

    `hidden` keeps them out of the menus of members without Manage Messages; leave it off where a role reviews.
    """

    def command(name: str, verdict: Verdict) -> app_commands.ContextMenu:
        @answered
        async def callback(interaction: discord.Interaction[Any], message: discord.Message) -> None:
            require_moderator(interaction, desk.moderator_role)
            await desk.open(interaction, await desk.find(message), verdict)

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
