"""Writing an answer down: as a reply of its own, or as the rest of one that broke off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.chat.context import Context
from bot.chat.request import Question
from bot.discord_io.ids import places_of
from model.protocol import Completion
from storage.async_store import AsyncStore
from storage.records import NewReply, Reply
from storage.store import Store

__all__ = ["Written", "write_down"]


@dataclass(frozen=True)
class Written:
    """Where an answer was written down; `extended`: into the reply that it goes on with."""

    reply_id: int
    extended: bool


async def write_down(
    store: AsyncStore,
    question: Question,
    context: Context,
    completion: Completion,
    text: str,
    *,
    base_model: str,
    shown_in: Sequence[int],
    aside: str = "",
) -> Written:
    """Store an answer, and that it and its card are to be shown on Discord, before they are.

    Args:
        store: the store.
        question: what was asked.
        context: what the model was shown.
        completion: what it said now.
        text: the whole answer, with what was said before where it was gone on with.
        base_model: id of the base.
        shown_in: the messages that stand for it on Discord so far, first to last.
        aside: the line that is to stand below it.
    """
    parent, *thread = places_of(question.channel)
    if thread:
        private = question.channel.is_private()
        await store.call(lambda held: held.add_thread(thread[0], parent, private=private))
    begun = question.standing.reply if question.standing is not None and question.standing.go_on else None
    delivery = {
        "heading": question.heading,
        "aside": aside,
        "messages": list(shown_in) or [one for one in (question.answer_message_id,) if one is not None],
        "number": str(question.id),
        "replaces": question.standing is not None and not question.standing.go_on,
    }
    return await store.call(
        _write,
        begun,
        question,
        delivery,
        NewReply(
            source="discord",
            conversation=context.conversation,
            turns=context.turns,
            text=text,
            adapter=completion.adapter,
            base_model=base_model,
            guild_id=question.guild_id,
            channel_id=question.channel.id,
            message_id=shown_in[0] if shown_in else question.answer_message_id,
            asker_id=question.asker_id,
            prompt_message_id=question.prompt_message_id,
            finish_reason=completion.finish_reason,
            confidence=_confidence(begun, completion),
        ),
    )


def _write(
    store: Store, begun: Reply | None, question: Question, delivery: Mapping[str, Any], reply: NewReply
) -> Written:
    held, shown_in = question.settings.hold, delivery["messages"]
    with store.writing():
        store.outbox.grown(question.id)
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
            )
        )
        reply_id = begun.id if begun is not None and extended else store.add_reply(reply, shown_in)
        if held:
            store.hold(reply_id, shown_in)
        store.outbox.put(reply_id, "answer", delivery)
        if question.guild_id is not None and not extended:
            store.outbox.put(reply_id, "card", {"asker": question.asker.display_name})
    return Written(reply_id, extended=extended)


def _confidence(begun: Reply | None, completion: Completion) -> float | None:
    """Of the whole answer: that of its two parts by their lengths, which are known in characters only."""
    if begun is None:
        return completion.confidence
    if begun.confidence is None or completion.confidence is None:
        return begun.confidence if not completion.text else None
    before, now = len(begun.text), len(completion.text)
    return (begun.confidence * before + completion.confidence * now) / max(1, before + now)
