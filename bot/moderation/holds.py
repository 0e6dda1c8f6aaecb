"""Held answers: what stands on Discord for a draft, before and after moderators have seen it.

The asker sees a notice; an approval turns it into the answer, an edit into the moderator's text, a rejection into a
refusal, and a verdict taken back into the notice again. So what is posted is always what the latest verdict allows.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import discord

from bot.emoji import emoji_of, with_emoji
from bot.manners import polite
from bot.moderation import texts
from bot.sending import UNSENT, nonce_of
from bot.standing import heading_of
from bot.streaming import split
from bot.texts import without_aside
from storage.records import Reply, Review
from storage.store import Store
from storage.writer import AsyncStore

__all__ = ["HeldAnswers", "shown_for"]

_log = logging.getLogger(__name__)


def shown_for(reply: Reply, review: Review | None) -> str:
    """What may be read on Discord while `review` stands. Pure."""
    if review is None:
        return texts.HELD_NOTICE
    if review.verdict == "reject":
        return texts.HELD_REFUSED
    return polite(review.edited_text if review.edited_text is not None else reply.text)


class HeldAnswers:
    """Keeps the messages of held replies in step with their verdicts."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    async def update(self, guild: discord.Guild, reply: Reply) -> None:
        """Show what the standing verdict allows. Does nothing for a reply that is not held."""
        review, ids = await self._store.call(_standing, reply.id)
        if ids is None or reply.channel_id is None:
            return
        channel = guild.get_channel_or_thread(reply.channel_id)
        if not isinstance(channel, discord.TextChannel | discord.Thread | discord.VoiceChannel):
            return
        try:
            shown = [await channel.fetch_message(message_id) for message_id in ids]
            # What /ask answered stands above the answer and nowhere else; so does the line on how learning works below.
            heading = heading_of(shown[0])
            _, aside = without_aside(shown[-1].content)
            text = with_emoji(shown_for(reply, review), emoji_of(guild))
            kept = await _show(channel, shown, split(heading + text + aside))
        except UNSENT:
            _log.warning("The held reply %s could not be shown", reply.id, exc_info=True)
            return
        if kept != ids:
            await self._store.call(lambda store: store.moderation.hold(reply.id, kept))


async def _show(
    channel: discord.TextChannel | discord.Thread | discord.VoiceChannel,
    shown: Sequence[discord.Message],
    parts: list[str],
) -> tuple[int, ...]:
    """Let messages say `parts`: edit those there are, send what is missing, delete what is too many."""
    for message, part in zip(shown, parts, strict=False):
        await message.edit(content=part, suppress=True)
    kept = [message.id for message in shown[: len(parts)]]
    for number, part in enumerate(parts[len(shown) :], start=len(shown)):
        first = shown[0].to_reference(fail_if_not_exists=False)
        nonce = nonce_of(channel.id, "held", shown[0].id, number, part)
        kept.append((await channel.send(part, reference=first, nonce=nonce, suppress_embeds=True)).id)
    for message in shown[len(parts) :]:
        await message.delete()
    return tuple(kept)


def _standing(store: Store, reply_id: int) -> tuple[Review | None, tuple[int, ...] | None]:
    """The verdict that stands, and the reply's messages: None where it is not held, or another stands there now."""
    reply = store.reply(reply_id)
    newest = store.reply_by_message(reply.message_id) if reply.message_id is not None else None
    stands = newest is None or newest.id == reply_id
    return store.latest_review(reply_id), store.moderation.held_in(reply_id) if stands else None
