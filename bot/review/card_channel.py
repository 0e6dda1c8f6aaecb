"""The card channel of a server: posts a card for each reply, and updates it when the store changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import discord

from bot.discord_io.retry import UNSENT, nonce_of, with_retry
from bot.i18n.language import speaking
from bot.review.cards import blank_card, card, card_asker, card_buttons, card_of, is_blank
from bot.server.moderators import Moderators
from storage.discord_records import Post
from storage.reply_records import Reply
from storage.review_errors import ReplyNotFound
from storage.review_records import Review
from storage.store import Store

__all__ = ["CardChannel"]

_log = logging.getLogger(__name__)
_LOOK_BACK = 200  # messages of the review channel searched for a card that the store does not know


class CardChannel:
    """The cards of one client."""

    def __init__(self, moderators: Moderators) -> None:
        self._moderators = moderators

    async def post(self, reply_id: int, guild: discord.Guild, asker: str, *, may_exist: bool = False) -> None:
        """Post the card of a new reply, if everybody in the card channel can read the reply's channel.

        `may_exist`: an earlier attempt may have posted it, too long ago for Discord to know its nonce.
        """
        reply = await self._moderators.store.call(Store.reply, reply_id)
        channel = await self._moderators.card_channel(guild, reply.channel_id)
        if channel is None or (may_exist and await self._exists(guild, reply_id)):
            return
        embed, view = await self.draw(guild, reply, asker)
        nonce = nonce_of(channel.id, "card", reply_id)
        message = await with_retry(lambda: channel.send(embed=embed, view=view, nonce=nonce))
        post = Post(message.id, guild.id, channel.id, "card", reply_id=reply_id)
        if await self._moderators.store.call(Store.add_post, post):  # its words were removed while it was posted
            await self.redraw(guild, await self._moderators.store.call(Store.reply, reply_id))

    async def draw(
        self, guild: discord.Guild, reply: Reply, asker: str, *, skipped_by: str | None = None
    ) -> tuple[discord.Embed, discord.ui.View]:
        """The reply's card as the store has it now, in the server's language since all moderators read it."""
        servers = self._moderators.training_servers
        state, waits_for = await self._moderators.store.call(
            lambda store: (_state(store, reply.id), servers.waits_for(store, reply.id))
        )
        with speaking(self._moderators.locale(guild)):
            embed = card(
                state.reply,
                state.review,
                asker,
                held=state.held,
                unsure=state.unsure,
                skipped_by=skipped_by if state.review is None else None,
                replaced_by=state.replaced_by,
                not_shown=state.not_shown,
                waits_for=waits_for,
            )
            return embed, card_buttons(state.reply, state.review, again=state.not_shown is not None)

    async def withdraw(self, guild: discord.Guild, message: discord.PartialMessage, reply_id: int) -> None:
        """Update the card of a reply whose words were removed. Raises what Discord raises."""
        try:
            reply = await self._moderators.store.call(Store.reply, reply_id)
        except ReplyNotFound:
            reply = None
        if reply is None or is_blank(reply):
            await message.edit(embed=blank_card(reply_id), view=None)
        else:
            embed, view = await self.draw(guild, reply, card_asker(await message.fetch()))
            await message.edit(embed=embed, view=view)

    async def redraw(self, guild: discord.Guild, reply: Reply) -> bool:
        """Update the card; returns False if it cannot be edited, which is no failure of a verdict."""
        try:
            message = await self._find(guild, reply.id)
            if message is not None:
                embed, view = await self.draw(guild, reply, card_asker(message))
                await message.edit(embed=embed, view=view)
        except discord.NotFound:  # somebody deleted it
            return True
        except UNSENT:
            _log.warning("The card of reply %s could not be updated", reply.id, exc_info=True)
            return False
        return True

    async def tell(self, guild: discord.Guild, text: str) -> None:
        """Say something in the review channel, if there is one."""
        channel = self._moderators.review_channel(guild)
        if channel is not None:
            await self._moderators.say(channel, text)

    async def _exists(self, guild: discord.Guild, reply_id: int) -> bool:
        try:
            return await self._find(guild, reply_id) is not None
        except discord.HTTPException:  # may write there, but not read
            return False

    async def _find(self, guild: discord.Guild, reply_id: int) -> discord.Message | None:
        """The card of a reply: the message that the store names, else one among the newest messages."""
        post = await self._moderators.store.call(Store.card, reply_id)
        if post is not None:
            known = guild.get_channel(post.channel_id)
            return await known.fetch_message(post.message_id) if isinstance(known, discord.TextChannel) else None
        channel = self._moderators.review_channel(guild)
        if channel is None:
            return None
        async for message in channel.history(limit=_LOOK_BACK):
            if card_of(message) == reply_id:
                await self._moderators.store.call(
                    Store.add_post, Post(message.id, guild.id, channel.id, "card", reply_id=reply_id)
                )
                return message
        return None


@dataclass(frozen=True)
class _CardState:
    """What a card shows of the store."""

    reply: Reply
    review: Review | None
    held: bool
    unsure: bool
    replaced_by: int | None
    not_shown: str | None


def _state(store: Store, reply_id: int) -> _CardState:
    reply = store.reply(reply_id)
    shown = store.reply_by_message(reply.message_id) if reply.message_id is not None else None
    return _CardState(
        reply,
        store.latest_review(reply_id),
        store.held_in(reply_id) is not None,
        store.handed_over(reply_id),
        shown.id if shown is not None and shown.id != reply_id else None,
        next((one.error for one in store.outbox.of_reply(reply_id) if one.kind != "card" and one.error), None),
    )
