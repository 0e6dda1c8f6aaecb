"""What was looked up for an answer, for the moderators of its card. None of it from where they cannot read."""

from __future__ import annotations

from typing import Any

from bot.discord_io.components import Interaction
from bot.discord_io.deferral import in_time, respond
from bot.errors import Refused
from bot.i18n.en import knowledge as texts
from bot.recall.found import Piece, embed_of
from bot.server.moderators import Moderators, server_of
from storage.recall_records import FoundChunk, Recalled
from storage.reply_records import Reply
from storage.review_errors import ReplyNotFound
from storage.store import Store

__all__ = ["show_recalled"]


async def show_recalled(interaction: Interaction, moderators: Moderators, reply: Reply) -> None:
    """Answer a moderator in private. Raises Refused where nothing was looked up."""
    embed = embed_of(texts.SHOWN_TITLE, await in_time(interaction, _pieces(interaction, moderators, reply)))
    await respond(interaction, embed=embed)


async def _pieces(interaction: Interaction, moderators: Moderators, reply: Reply) -> list[Piece]:
    recalled = await moderators.store.read(Store.recalled_with, reply.id)
    if not recalled:
        raise Refused(texts.SHOWN_NOTHING)
    return [await _piece(interaction, moderators, one) for one in recalled]


async def _piece(interaction: Interaction, moderators: Moderators, one: Recalled) -> Piece:
    guild, member = server_of(interaction), interaction.user
    name, text, channel_id = await moderators.store.read(_stored, guild.id, one)
    reader: Any = member
    if channel_id is not None and not await moderators.readers.may_read(reader, channel_id):
        name = text = texts.SHOWN_HIDDEN
    return Piece(name or texts.reply(one.example_id or 0), text or texts.SHOWN_GONE, one.score, one.tokens)


def _stored(store: Store, guild_id: int, one: Recalled) -> tuple[str, str, int | None]:
    """A document's title, what it says now (empty: no longer stored), and the channel that it is from."""
    if one.example_id is not None:
        try:
            reply, review = store.reply(one.example_id), store.latest_review(one.example_id)
        except ReplyNotFound:
            return "", "", None
        edited = review.edited_text if review is not None else None
        answer = reply.text if edited is None else edited
        return "", f"{reply.turns[-1].content}\n{answer}", reply.channel_id
    chunks: list[FoundChunk] = store.found_chunks(guild_id, [one.entry_id or 0])
    for chunk in chunks:
        return chunk.title, chunk.text, chunk.channel_id
    return "", "", None
