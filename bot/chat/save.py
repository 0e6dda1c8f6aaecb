"""Saving an answer: as a new reply, or as the rest of one that was cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.chat.context import Context
from bot.chat.request import ChatRequest
from bot.discord_io.ids import places_of
from bot.recall.records import Shown
from model.protocol import Completion
from storage.async_store import AsyncStore
from storage.reply_records import NewReply, Reply
from storage.store import Store

__all__ = ["SavedReply", "save_reply"]


@dataclass(frozen=True)
class SavedReply:
    """The reply that holds an answer; `extended`: it was appended to the reply that it continues."""

    reply_id: int
    extended: bool


async def save_reply(
    store: AsyncStore,
    request: ChatRequest,
    context: Context,
    completion: Completion,
    text: str,
    *,
    base_model: str,
    shown_in: Sequence[int],
    aside: str = "",
    unsure: bool = False,
) -> SavedReply:
    """Store an answer together with the deliveries that show it and its card on Discord.

    Args:
        store: the store.
        request: what was asked.
        context: what the model was shown.
        completion: what was generated now.
        text: the whole answer, including the text that was continued.
        base_model: id of the base model.
        shown_in: its messages on Discord so far, first to last.
        aside: the line below it.
        unsure: the moderators are asked first, since it may be wrong.
    """
    parent, *thread = places_of(request.channel)
    if thread:
        private = request.channel.is_private()
        await store.call(lambda held: held.add_thread(thread[0], parent, private=private))
    begun = request.existing.reply if request.existing is not None and request.existing.continues else None
    delivery = {
        "heading": request.heading,
        "aside": aside,
        "messages": list(shown_in) or [one for one in (request.answer_message_id,) if one is not None],
        "number": str(request.id),
        "replaces": request.existing is not None and not request.existing.continues,
    }
    return await store.call(
        _write,
        begun,
        request,
        delivery,
        NewReply(
            source="discord",
            conversation=context.conversation,
            turns=context.turns,
            text=text,
            adapter=completion.adapter,
            base_model=base_model,
            guild_id=request.guild_id,
            channel_id=request.channel.id,
            message_id=shown_in[0] if shown_in else request.answer_message_id,
            asker_id=request.asker_id,
            prompt_message_id=request.prompt_message_id,
            finish_reason=completion.finish_reason,
            confidence=_confidence(begun, completion),
            answered=context.answered,
        ),
        shown=context.shown,
        unsure=unsure,
    )


def _write(
    store: Store,
    begun: Reply | None,
    request: ChatRequest,
    delivery: Mapping[str, Any],
    reply: NewReply,
    *,
    shown: Shown,
    unsure: bool,
) -> SavedReply:
    held, shown_in = request.settings.hold or unsure, delivery["messages"]
    recalled = shown.recalled
    with store.writing():
        store.outbox.remove_unfinished(request.id)
        extended = (
            begun is not None
            and not held
            and store.extend_reply(
                begun.id,
                reply.text,
                finish_reason=reply.finish_reason,
                confidence=reply.confidence,
                adapter=reply.adapter,
                shown_in=shown_in,
                recall=recalled,
            )
        )
        reply_id = begun.id if begun is not None and extended else store.add_reply(reply, shown_in, recalled)
        if request.guild_id is not None and shown.best is not None:
            store.put_answerability(reply_id, shown.best, handed_over=unsure)
        if held:
            store.hold(reply_id, shown_in)
        store.outbox.put(reply_id, "answer", delivery)
        if request.guild_id is not None and not extended:
            store.outbox.put(reply_id, "card", {"asker": request.asker.display_name})
    return SavedReply(reply_id, extended=extended)


def _confidence(begun: Reply | None, completion: Completion) -> float | None:
    """Of the whole answer: that of its two parts by their lengths, which are known in characters only."""
    if begun is None:
        return completion.confidence
    if begun.confidence is None or completion.confidence is None:
        return begun.confidence if not completion.text else None
    before, now = len(begun.text), len(completion.text)
    return (begun.confidence * before + completion.confidence * now) / max(1, before + now)
