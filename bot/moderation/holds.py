"""Held answers: what stands on Discord for a draft, before and after moderators have seen it.

The asker sees a notice; an approval turns it into the answer, an edit into the moderator's text, a rejection into a
refusal, and a verdict taken back into the notice again. So what is posted is always what the latest verdict allows.
"""

from __future__ import annotations

import logging

import discord

from bot.manners import polite
from bot.moderation import texts
from bot.streaming import split
from bot.texts import asked, asked_and_answered
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
            # What /ask answered stands above the answer and nowhere else.
            question, _ = asked_and_answered((await channel.fetch_message(ids[0])).content)
            heading = asked(question) if question else ""
            kept = await _show(channel, ids, split(heading + shown_for(reply, review)))
        except discord.HTTPException:
            _log.warning("The held reply %s could not be shown", reply.id, exc_info=True)
            return
        if kept != ids:
            await self._store.call(lambda store: store.moderation.hold(reply.id, kept))


async def _show(
    channel: discord.TextChannel | discord.Thread | discord.VoiceChannel, ids: tuple[int, ...], parts: list[str]
) -> tuple[int, ...]:
    """Let the messages `ids` say `parts`: edit those there are, send what is missing, delete what is too many."""
    kept = list(ids[: len(parts)])
    for message_id, part in zip(kept, parts, strict=False):
        await (await channel.fetch_message(message_id)).edit(content=part, suppress=True)  # a partial one cannot
    for part in parts[len(ids) :]:
        reference = discord.MessageReference(message_id=ids[0], channel_id=channel.id, fail_if_not_exists=False)
        kept.append((await channel.send(part, reference=reference, suppress_embeds=True)).id)
    for message_id in ids[len(parts) :]:
        await channel.get_partial_message(message_id).delete()
    return tuple(kept)


def _standing(store: Store, reply_id: int) -> tuple[Review | None, tuple[int, ...] | None]:
    return store.latest_review(reply_id), store.moderation.held_in(reply_id)
