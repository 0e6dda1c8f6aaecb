"""From a request on Discord to an answer on Discord: read the history, generate, stream, save.

The decisions are elsewhere (bot/chat/trigger.py: whether to answer; bot/chat/context.py: what is shown to the model;
bot/discord_io/streaming.py and bot/discord_io/edit_budget.py: what is shown on Discord, and when). Which model answers
is behind the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import discord

from bot.chat import buttons as controls
from bot.chat.ask_history import messages_shown
from bot.chat.completion_log import log_completion
from bot.chat.context import Context
from bot.chat.failures import show_failure, show_unstored
from bot.chat.generation import AnswerGeneration, EmptyRequest, RequestGone, VoiceOf, in_use, sampling_for
from bot.chat.history import HistoryReader
from bot.chat.introductions import Introductions
from bot.chat.lookup import Lookup, question_of
from bot.chat.rate_limits import RateLimits
from bot.chat.request import ChatRequest
from bot.chat.save import SavedReply, save_reply
from bot.chat.showing import as_posted
from bot.chat.sources import sources_line, with_sources
from bot.chat.unfinished import Unfinished
from bot.chat.window import WindowStarts
from bot.discord_io.edit_budget import EditBudgets
from bot.discord_io.emoji import emoji_of, with_emoji
from bot.discord_io.interaction_errors import failure_notice
from bot.discord_io.markup import is_visible
from bot.discord_io.retry import UNSENT, with_retry
from bot.discord_io.sanitize import sanitize
from bot.discord_io.streaming import MessageStream
from bot.discord_io.typing_indicator import TypingIndicator
from bot.i18n.en import texts
from bot.request_id import answering
from bot.server.training_servers import TrainingServers
from bot.settings import Settings
from model.protocol import ChatEngine, Completion
from storage.async_store import AsyncStore
from storage.reply_records import Answered
from storage.store import Store

__all__ = ["Answering"]

_log = logging.getLogger(__name__)
_EDIT_SECONDS = 5.0  # that a growing answer waits for Discord to show an edit; generation continues meanwhile
_SHUTDOWN_S = 5.0  # seconds for the answers to end when the bot shuts down


class Answering:
    """Answers requests, many at once. `deliver` shows a saved reply, `on_reply` is called with it.

    `voice` says what answers on which server. `observe` is told of every reply that was generated, and None of one that
    failed.
    """

    def __init__(
        self,
        engine: ChatEngine,
        store: AsyncStore,
        settings: Settings,
        on_reply: Callable[[SavedReply, ChatRequest], Awaitable[None]],
        deliver: Callable[[int, MessageStream, ChatRequest], Awaitable[None]],
        *,
        training_servers: TrainingServers,
        lookup: Lookup | None = None,
        voice: VoiceOf = in_use,
        observe: Callable[[Completion | None], None] = lambda _: None,
    ) -> None:
        self._engine, self._store, self._settings = engine, store, settings
        self._lookup, self._voice, self._observe = lookup, voice, observe
        self._on_reply = on_reply
        self._deliver = deliver
        self._training_servers = training_servers
        self._introductions = Introductions(store, settings, training_servers)
        self.unfinished = Unfinished(store, settings.shards)
        self._running: set[asyncio.Task[Any]] = set()
        self._generations: dict[int, tuple[AnswerGeneration, MessageStream]] = {}  # by request
        self._starts = WindowStarts()
        self._typing_indicator = TypingIndicator()
        self._edit_budgets = EditBudgets()
        self.rate_limits = RateLimits(store, capacity=settings.model.max_queue)

    async def answer(self, request: ChatRequest, me: int, *, again: bool = False) -> bool:
        """Answer `request`; the bot's user id is `me`. Never raises for a failed answer.

        Returns False if the message that asked was deleted before there was an answer. With `again`, an answer exists
        already: this one is sampled, so that it can differ.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (coroutines run in tasks; says so to the type checker)
        self._running.add(task)
        try:
            with answering(request.id):
                async with contextlib.nullcontext() if request.thinking else self._typing_indicator.at(request.channel):
                    return await self._answer(request, me, again=again)
        except UNSENT:
            # Discord refused us the channel, or the answer was deleted while it grew: nobody to tell.
            _log.warning("Could not answer request %s", request.id, exc_info=True)
            return True
        finally:
            self._running.discard(task)

    @property
    def alive(self) -> set[int]:
        """The requests that are being answered."""
        return set(self._generations)

    async def refuse(self, request: ChatRequest, error: Exception) -> None:
        """Say why there is no answer."""
        try:
            await request.send(failure_notice(error), None)
        except UNSENT:
            _log.warning("Could not refuse request %s", request.id, exc_info=True)

    def generation(self, question_id: int) -> AnswerGeneration | None:
        """The generation under way for a request, if there is one."""
        return self._generations[question_id][0] if question_id in self._generations else None

    def changed(self, message_ids: Iterable[int]) -> None:
        """These messages were edited or deleted: generations without a first token start again."""
        ids = set(message_ids)
        for generation, _ in self._generations.values():
            generation.changed(ids)

    def reread(self) -> None:
        """What may be shown has changed: generations without a first token read their history again."""
        for generation, _ in self._generations.values():
            generation.reread()

    async def close(self) -> None:
        """Stop all generations and tell the people who asked."""
        for generation, _ in list(self._generations.values()):
            generation.abandon()
        running = [task for task in self._running if task is not asyncio.current_task()]
        if running:
            _, late = await asyncio.wait(running, timeout=_SHUTDOWN_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await self.unfinished.close()

    async def _answer(self, request: ChatRequest, me: int, *, again: bool) -> bool:
        existing = request.existing.messages if request.existing is not None else ()
        generation = AnswerGeneration(
            self._engine,
            request,
            sampling_for(request, self._settings.generation, again=again),
            self._settings.persona,
            self._lookup.of(request, self._engine.count_tokens) if self._lookup is not None else None,
            voice=self._voice,
        )

        async def send(*args: Any, **extras: Any) -> discord.Message:
            if not generation.stored and not stream.messages:
                self.unfinished.note(request, [])
            message = await request.send(*args, **extras)
            self._typing_indicator.message_sent(request.channel.id)
            if not generation.stored:
                self.unfinished.note(request, [*(one.id for one in stream.messages), message.id])
            return message

        stream = MessageStream(
            send,
            edit=request.edit,
            interval=self._settings.discord.edit_seconds,
            edit_budget=self._edit_budgets.of(request.channel.id),
            controls=controls.while_growing(request.id),
            existing=existing,
        )
        self._generations[request.id] = generation, stream
        if existing or request.answer_message_id is not None:
            self.unfinished.note(request, [one.id for one in existing] or [request.answer_message_id or 0])
        try:
            answered = await self._respond(generation, stream, me)
            if not generation.stored:
                self.unfinished.over(request.id)
            return answered
        finally:
            del self._generations[request.id]

    async def _respond(self, generation: AnswerGeneration, stream: MessageStream, me: int) -> bool:
        request = generation.request
        try:
            context, completion = await self._generate(generation, stream, me)
        except RequestGone:
            for message in stream.messages:  # only the notice of its place in the queue
                await message.delete()
            return False
        except EmptyRequest:
            if not request.unprompted:
                await with_retry(lambda: stream.finish(texts.ASK_ME))
            return True
        except discord.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001  (whatever failed, the asker is told)
            _log.warning("The answer to request %s failed", request.id, exc_info=True)
            self._observe(None)
            failure = error
            await show_failure(request, stream, lambda: failure_notice(failure))
            return True
        log_completion(completion)
        self._observe(completion)
        cancelled = completion.finish_reason == "cancelled"
        # When an answer is continued, no further text means that it was complete.
        if not is_visible(completion.text) and (cancelled or not request.text_so_far):
            await show_failure(request, stream, lambda: texts.STOPPED if cancelled else texts.SILENT)
            return True
        await self._finish(generation, stream, context, completion)
        return True

    async def _finish(
        self, generation: AnswerGeneration, stream: MessageStream, context: Context, completion: Completion
    ) -> None:
        """Store the answer, then show the whole of it: what is stored is shown even if the process ends now."""
        request, existing = generation.request, generation.request.existing
        text = (request.text_so_far + completion.text).strip()
        line = "" if existing else await self._introductions.line(request.asker.id, request.guild_id)
        sources = sources_line(context.shown, question_of(context.turns), text)
        continues = existing is not None and existing.continues
        aside = with_sources(existing.aside if existing else line, sources, keep=continues)
        shown_in = [message.id for message in stream.messages]
        try:
            unsure = self._lookup is not None and await self._lookup.is_unsure(
                request, context.shown, completion.confidence
            )
            saved = await save_reply(
                self._store,
                request,
                context,
                completion,
                text,
                base_model=self._engine.base_id,
                shown_in=shown_in,
                aside=aside,
                unsure=unsure,
            )
            generation.stored = True
        except Exception:  # noqa: BLE001  (a full disk, a database that another process holds: the asker is told)
            _log.exception("The answer to request %s could not be stored: it cannot be reviewed", request.id)
            await self._introductions.over(request.asker.id, told=False)
            await show_unstored(request, stream, as_posted(text, completion.finish_reason, request.guild))
            return
        await self._deliver(saved.reply_id, stream, request)
        await self._introductions.over(request.asker.id, told=bool(line))
        try:
            await self._on_reply(saved, request)
        except Exception:  # noqa: BLE001  (the answer is given; the outbox retries the card)
            _log.exception("Reply %s is stored, but its card could not be shown", saved.reply_id)

    async def _generate(
        self, generation: AnswerGeneration, stream: MessageStream, me: int
    ) -> tuple[Context, Completion]:
        """The finished answer, shown in `stream` while it grows. Raises what the generation raises."""
        request = generation.request
        unfinished = {message.id for _, other in self._generations.values() for message in other.messages}
        emoji = emoji_of(request.guild)
        recent = await messages_shown(request, self._settings.discord, self._training_servers)
        reader = HistoryReader(me, recent, unfinished, withheld=self._withheld, starts=self._starts)
        told = False

        async def on_text(text: str) -> None:
            if is_visible(text) and not request.may_wait:
                shown = with_emoji(sanitize(request.text_so_far + text), emoji)
                await _show(stream.update(request.heading + shown))

        async def on_queue_place(place: int) -> None:
            nonlocal told
            if request.existing is None:
                await _show(stream.notice(texts.queue_place(place)))
            elif not told:  # do not replace the existing answer with a notice
                told = True
                with contextlib.suppress(*UNSENT):
                    await request.existing.notify(lambda: texts.queue_place(place))

        return await generation.run(reader, on_text=on_text, on_queue_place=on_queue_place)

    async def _withheld(self, messages: Iterable[Answered]) -> set[int]:
        return await self._store.call(Store.withheld, list(messages))


async def _show(edit: Awaitable[None]) -> None:
    """Ignore an edit that Discord refuses, but raise NotFound: the answer was deleted."""
    try:
        async with asyncio.timeout(_EDIT_SECONDS):
            await edit
    except discord.NotFound:
        raise
    except UNSENT:
        _log.warning("An edit of a growing answer failed", exc_info=True)
