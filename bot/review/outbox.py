"""The outbox: shows on Discord what the store holds and Discord does not show yet.

Answers, cards and what follows from verdicts are stored together with what caused them, and then shown here: at once,
again when Discord is back, and after a restart. The reply's card says what failed; the outbox tries it again, and so
does the card's button. Showing something twice does no harm, since it is read from the store each time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from weakref import WeakValueDictionary

import discord

from bot.chat import buttons as controls
from bot.chat.answer_messages import edit
from bot.chat.request import ChatRequest
from bot.chat.showing import (
    as_posted,
    channel_of,
    delete_message,
    prompt_reference,
    show,
    stream_from_held,
    stream_from_ids,
)
from bot.discord_io.emoji import emoji_of, with_emoji
from bot.discord_io.retry import UNSENT, unreached
from bot.discord_io.streaming import MessageStream
from bot.i18n.en import texts
from bot.i18n.language import speaking
from bot.review.card_channel import CardChannel
from bot.review.held_answers import shown_for
from bot.server.moderators import Moderators
from bot.shards import Shards
from storage.discord_records import Delivery, DeliveryKind
from storage.reply_records import Reply
from storage.review_records import Review
from storage.store import Store

__all__ = ["Outbox", "reason_for"]

_log = logging.getLogger(__name__)
_AT_ONCE = 200  # rows of one round
_PAUSES = (15.0, 3600.0)  # seconds until what was refused is tried again: the first time, doubled, and at most


class _NotPossibleYet(Exception):
    """It can be done only later; the argument is the reason, as `words.NOT_SHOWN` names it."""


@dataclass(frozen=True)
class _State:
    """What of a reply belongs on Discord. `current`: no other answer has replaced it."""

    review: Review | None
    held_in: tuple[int, ...] | None
    current: bool
    answer: Delivery | None
    unseen: bool
    unsure: bool


def reason_for(error: BaseException) -> str:
    """What kept something from being shown, as `words.NOT_SHOWN` names it."""
    if isinstance(error, _NotPossibleYet):
        return str(error)
    if unreached(error):
        return "unreached"
    if isinstance(error, discord.NotFound):
        return "gone"
    if isinstance(error, discord.Forbidden):
        return "forbidden"
    return "refused" if isinstance(error, discord.HTTPException) else "failed"


class Outbox:
    """The outbox of one client."""

    def __init__(self, client: discord.Client, moderators: Moderators, shards: Shards) -> None:
        self.cards = CardChannel(moderators)
        self._client = client
        self._shards = shards
        self._moderators = moderators
        self._store = moderators.store
        self._live: dict[int, tuple[MessageStream, ChatRequest]] = {}  # answers written in this process, by reply
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()  # by reply
        self._next: dict[int, tuple[float, float]] = {}  # by row: not before, and the pause after that

    async def answer(self, reply_id: int, stream: MessageStream, request: ChatRequest) -> None:
        """Finish an answer that was just stored, in the messages that it grew in."""
        self._live[reply_id] = stream, request
        await self.carry_out(reply_id, "answer")

    async def carry_out(self, reply_id: int, *kinds: DeliveryKind, drawn: bool = True) -> str | None:
        """Show what is not shown yet of a reply, all of it or these kinds; returns why something could not be.

        `drawn`: its card shows the last verdict already.
        """
        failure: str | None = None
        async with self._lock(reply_id):
            for delivery in await self._store.call(lambda store: store.outbox.of_reply(reply_id)):
                if not drawn and delivery.kind == "verdict":
                    self._next.setdefault(delivery.id, (0.0, _PAUSES[0]))
                if not kinds or delivery.kind in kinds:
                    failure = await self._attempt(delivery) or failure
        return failure

    async def round(self) -> None:
        """Try again what is due. Ends early where Discord cannot be reached."""
        waiting = await self._store.call(lambda store: store.outbox.waiting(_AT_ONCE))
        self._next = {row.id: self._next[row.id] for row in waiting if row.id in self._next}
        for row in waiting:
            if self._lock(row.reply_id).locked() or time.monotonic() < self._next.get(row.id, (0.0, 0.0))[0]:
                continue
            self._next.setdefault(row.id, (0.0, _PAUSES[0]))
            if await self.carry_out(row.reply_id, row.kind) == "unreached":
                return

    def _lock(self, reply_id: int) -> asyncio.Lock:
        return self._locks.setdefault(reply_id, asyncio.Lock())

    async def _attempt(self, delivery: Delivery) -> str | None:
        """Show it and store the result; returns the reason if it could not be shown."""
        try:
            reply = await self._store.call(Store.reply, delivery.reply_id)
            if not self._shards.serve(reply.guild_id):
                return None  # another process shows it
            guild = self._client.get_guild(reply.guild_id) if reply.guild_id is not None else None
            if reply.guild_id is not None and guild is None:
                return None  # the server is not there at the moment: later
            with speaking(self._moderators.locale(guild)):
                return await self._try(delivery, reply, guild)
        except Exception:  # noqa: BLE001  (the store failed: nothing is lost, and it is tried again)
            _log.exception("What is to be shown of reply %s could not be read or noted", delivery.reply_id)
            return "failed"

    async def _try(self, delivery: Delivery, reply: Reply, guild: discord.Guild | None) -> str | None:
        do = self._post_card if delivery.kind == "card" else self._show_messages
        try:
            await do(delivery, reply, guild)
        except Exception as error:  # noqa: BLE001  (whatever it was, the card says so and it is tried again)
            reason = reason_for(error)
            await self._failed(delivery, reply, guild, reason, error)
            return reason
        later = delivery.error is not None or delivery.id in self._next
        if later and delivery.kind != "card":  # so that the card drawn now does not show its error
            await self._store.call(lambda store: store.outbox.failed(delivery.id, None))
            if guild is not None and not await self.cards.redraw(guild, reply):
                self._put_off(delivery, "refused")
                return None
        await self._done(delivery)
        return None

    async def _done(self, delivery: Delivery) -> None:
        await self._store.call(lambda store: store.outbox.done(delivery.id))
        self._next.pop(delivery.id, None)
        if delivery.kind == "answer":
            self._live.pop(delivery.reply_id, None)

    async def _failed(
        self, delivery: Delivery, reply: Reply, guild: discord.Guild | None, reason: str, error: Exception
    ) -> None:
        _log.error("The %s of reply %s could not be shown: %s", delivery.kind, reply.id, error, exc_info=error)
        if reason == "gone" and delivery.kind != "card":  # deleted, or its channel was: nothing to try again
            await self._done(delivery)
            return
        self._put_off(delivery, reason)
        await self._store.call(lambda store: store.outbox.failed(delivery.id, reason))
        if reason == "unreached" or guild is None:
            return
        if delivery.kind != "card":
            await self.cards.redraw(guild, reply)
        elif delivery.error is None:  # tell the asker of a held answer that no moderator sees it
            await self._say_unseen(delivery, reply, guild)

    def _put_off(self, delivery: Delivery, reason: str) -> None:
        pause = self._next.get(delivery.id, (0.0, _PAUSES[0]))[1]
        again = _PAUSES[0] if reason == "unreached" else pause
        self._next[delivery.id] = time.monotonic() + again, min(_PAUSES[1], 2 * pause)

    async def _say_unseen(self, delivery: Delivery, reply: Reply, guild: discord.Guild) -> None:
        try:
            await self._show_messages(delivery, reply, guild)
        except UNSENT:
            _log.warning("The notice of the held reply %s stays as it is", reply.id, exc_info=True)

    async def _post_card(self, delivery: Delivery, reply: Reply, guild: discord.Guild | None) -> None:
        if guild is None or reply.redacted:
            return
        if self._moderators.review_channel(guild) is not None:
            asker = delivery.details.get("asker") or texts.SOMEBODY
            await self.cards.post(reply.id, guild, asker, may_exist=delivery.id in self._next)
        elif await self._store.call(lambda store: store.held_in(reply.id)) is not None:
            raise _NotPossibleYet("nowhere")
        if delivery.error is not None:
            await self._done(delivery)
            await self._say_unseen(delivery, reply, guild)  # not any more

    async def _show_messages(self, delivery: Delivery, reply: Reply, guild: discord.Guild | None) -> None:
        """Show in the messages of a reply what may be read there now."""
        now = await self._store.call(_now, reply.id)
        if not now.current or (now.answer is None and not now.held_in):
            return
        if reply.redacted:
            await self._break_off(now.answer, reply)
            return
        stream, heading, aside = await (
            self._stream_of(now.answer, reply) if now.answer is not None else self._stream_of_held(delivery, reply, now)
        )
        below: discord.ui.View | None
        if now.held_in is None:
            words = as_posted(reply.text, reply.finish_reason, guild)
            below = controls.after(reply.finish_reason, quotes=bool(heading))
        else:
            words = with_emoji(shown_for(reply, now.review, unseen=now.unseen, unsure=now.unsure), emoji_of(guild))
            below = controls.below_question(quotes=bool(heading))
        details = now.answer.details if now.answer is not None else {}
        left = await show(stream, heading + words + aside, below, restored=self._restored(reply.id))
        ids = [message.id for message in stream.messages]
        if ids:
            await self._store.call(
                lambda store: store.outbox.shown(reply.id, ids, now.answer.id if now.answer is not None else None)
            )
        if now.answer is not None:
            self._live.pop(reply.id, None)
        for message in left if not details.get("replaces") else []:
            await delete_message(message)

    async def _break_off(self, answer: Delivery | None, reply: Reply) -> None:
        """Somebody's words were removed: finish the messages as they are."""
        if answer is None:
            return
        if reply.id in self._live:
            stream, request = self._live[reply.id]
            quotes = bool(request.heading)
            if quotes and reply.asker_id is None:  # who asked was forgotten, and could not delete their words here
                for message in stream.messages:
                    await delete_message(message)
                return
            await show(stream, stream.text, controls.below_question(quotes=quotes))
        elif answer.details["messages"]:
            channel = await channel_of(self._client, reply)
            await edit(channel.get_partial_message(answer.details["messages"][-1]), view=None)

    def _restored(self, reply_id: int) -> Callable[[], Awaitable[None]] | None:
        """What restores the words and buttons of the answer that this one replaced."""
        stream, request = self._live.get(reply_id, (None, None))
        if stream is None or request is None or request.existing is None or request.existing.continues:
            return None
        below = controls.after(request.existing.reply.finish_reason, quotes=bool(request.heading))
        return lambda: stream.restore(below)

    async def _stream_of(self, answer: Delivery, reply: Reply) -> tuple[MessageStream, str, str]:
        """The messages of an answer whose end is not shown yet, and the text above and below it."""
        details = answer.details
        around = details.get("heading", ""), details.get("aside", "")
        if reply.id in self._live:
            return self._live[reply.id][0], *around
        channel = await channel_of(self._client, reply)
        after, number = prompt_reference(reply, channel), details.get("number", 0)
        stream = await stream_from_ids(channel, self._me, details.get("messages", ()), after=after, number=number)
        return stream, *around

    async def _stream_of_held(self, delivery: Delivery, reply: Reply, now: _State) -> tuple[MessageStream, str, str]:
        """The messages of a held answer, and the text above and below it."""
        channel = await channel_of(self._client, reply)
        number = f"{reply.id}.{delivery.id}"  # another one for each verdict
        return await stream_from_held(
            channel,
            now.held_in or (),
            posts=now.review is not None,
            after=prompt_reference(reply, channel),
            number=number,
        )

    @property
    def _me(self) -> int:
        return self._client.user.id if self._client.user is not None else 0


def _now(store: Store, reply_id: int) -> _State:
    reply, deliveries = store.reply(reply_id), store.outbox.of_reply(reply_id)
    newest = store.reply_by_message(reply.message_id) if reply.message_id is not None else None
    return _State(
        review=store.latest_review(reply_id),
        held_in=store.held_in(reply_id),
        current=newest is None or newest.id == reply_id,
        answer=next((one for one in deliveries if one.kind == "answer"), None),
        unseen=any(one.kind == "card" and one.error for one in deliveries),
        unsure=store.handed_over(reply_id),
    )
