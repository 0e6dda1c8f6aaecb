"""The generation of one answer: from the history to the last token.

It reports its place in the queue, starts again when the history changes before the first token, and stops when asked
to. Where the text is shown and saved is decided by the caller.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

import discord

from bot.chat.context import Context, messages, shorten
from bot.chat.history import HistoryReader
from bot.chat.request import ChatRequest
from bot.chat.speakers import label_of, labels_in, showable, without_labels
from bot.chat.window import TokenBudget
from bot.recall.prompt import with_shown, without_last
from bot.recall.records import Shown
from model.chat import Message
from model.config import GenerationConfig
from model.errors import EngineClosed
from model.protocol import IN_USE, AdapterEngine, ChatEngine, ChatGeneration, Completion, InUse, Sampling
from storage.reply_records import Turn

__all__ = ["AnswerGeneration", "EmptyRequest", "Fitting", "Recall", "RequestGone", "VoiceOf", "in_use", "sampling_for"]

Fitting = Callable[[Context, Shown], Context]
VoiceOf = Callable[[int | None], AbstractAsyncContextManager[str | InUse | None]]
"""What the engine is to answer a server with (None: direct messages); it stays in memory while inside."""
Recall = Callable[[Context, Fitting], Awaitable[Context]]
"""Adds to a context what is found for it, as far as the second argument says there is room."""

_QUEUE_NOTICE_S = 3.0
"""Seconds of waiting between two reports of the place in the queue."""

_MOST_RESTARTS = 5
"""After so many restarts before the first token, later changes of the history are ignored."""


def in_use(_: int | None) -> AbstractAsyncContextManager[str | InUse | None]:
    """The adapter in use, on every server."""
    return nullcontext(IN_USE)


def sampling_for(request: ChatRequest, configured: GenerationConfig, *, again: bool) -> Sampling:
    """The server's own settings over the operator's; with `again`, never greedy, which would give the same answer."""
    temperature = request.settings.temperature
    return Sampling(
        max_new_tokens=request.settings.max_new_tokens,
        temperature=max(temperature, Sampling().temperature) if again else temperature,
        top_p=configured.top_p,
        repetition_penalty=configured.repetition_penalty,
    )


class EmptyRequest(Exception):
    """The request has no text."""


class RequestGone(Exception):
    """The message that asked was deleted before its answer began, or was posted again elsewhere."""


class AnswerGeneration:
    """Call `run` once; `stop` and `changed` may be called meanwhile.

    `stored`: whether the answer is in the store; set by the code that saves it.
    """

    def __init__(
        self,
        engine: ChatEngine,
        request: ChatRequest,
        sampling: Sampling,
        persona: str,
        recall: Recall | None = None,
        *,
        voice: VoiceOf = in_use,
    ) -> None:
        self.request = request
        self.stored = False
        self._engine = engine
        self._sampling = sampling
        self._persona = persona
        self._recall = recall
        self._voice = voice
        self._watched: set[int] = {request.id}
        self._meanwhile: set[int] = set()  # changed since the history was last read
        self._first: asyncio.Task[str] | None = None
        self._changed = self._began = self._stopped = self._abandoned = self._discarded = False
        self._generation: ChatGeneration | None = None
        self._labels: tuple[str, ...] = ()
        # The engine continues a conversation that ends with an assistant message.
        self._begun = [Message("assistant", request.text_so_far)] if request.text_so_far else []

    async def run(
        self,
        reader: HistoryReader,
        *,
        on_text: Callable[[str], Awaitable[None]],
        on_queue_place: Callable[[int], Awaitable[None]],
    ) -> tuple[Context, Completion]:
        """The finished answer and what it was generated from.

        Args:
            reader: reads the history.
            on_text: called with the whole text each time it grows.
            on_queue_place: called with the place in the queue while waiting.

        Raises:
            EmptyRequest, RequestGone: there is nothing to answer.
            ModelError: whatever the engine raises.
        """
        restarts = 0
        while True:
            self._changed = False
            self._began = restarts >= _MOST_RESTARTS
            context = await self._read_history(reader)
            async with self._voice(self.request.guild_id) as adapter:
                generation = self._submit(context, adapter)
                try:
                    pieces = aiter(generation)
                    text = await self._first_piece(pieces, generation, on_queue_place)
                    if text is not None:
                        return context, await self._rest(pieces, generation, text, on_text)
                except BaseException:
                    generation.cancel()
                    raise
                generation.cancel()
            reader = replace(reader, fresh=True)
            restarts += 1

    def stop(self) -> None:
        """Stop here; the text so far is the answer."""
        self._stopped = True
        if self._generation is not None:
            self._generation.cancel()

    def abandon(self) -> None:
        """Stop here, because the bot is shutting down: `run` raises EngineClosed."""
        self._abandoned = True
        if self._generation is not None:
            self._generation.cancel()

    def discard(self) -> None:
        """Stop here, because the message was posted again elsewhere: `run` raises RequestGone."""
        self._discarded = True
        if self._generation is not None:
            self._generation.cancel()

    def changed(self, message_ids: set[int]) -> None:
        """Messages were edited or deleted: start again if they are in the context and no token was generated yet."""
        if self._began:
            return
        self._meanwhile |= message_ids
        if self._watched & message_ids:
            self.reread()

    def reread(self) -> None:
        """The history changed: start again unless the first token was generated."""
        if not self._began:
            self._changed = True
            if self._first is not None:
                self._first.cancel()

    async def _read_history(self, reader: HistoryReader) -> Context:
        system = messages((), self.request.settings.persona)

        def count(shown: Sequence[Message]) -> int:
            return self._engine.count_tokens([*system, *shown, *self._begun])

        budget = TokenBudget(count, self._engine.context_tokens - self._sampling.max_new_tokens)
        self._meanwhile.clear()
        try:
            context = await self.request.context(reader, budget)
        except discord.NotFound:
            raise RequestGone from None
        if context is None:
            raise EmptyRequest
        self._watched = {self.request.id, *(turn.message_id for turn in context.turns if turn.message_id)}
        theirs = labels_in(turn.content for turn in context.turns if turn.role == "user")
        self._labels = (*theirs, label_of(self.request.asker.display_name), label_of(self.request.own_name))
        if not self._began and self._watched & self._meanwhile:
            self._changed = True  # changed after it was read, while others were still being fetched
        persona = self.request.settings.persona
        if persona and persona != self._persona:
            # Training knows the operator's persona, but not one that was set on Discord, in a form.
            context = replace(context, turns=(Turn("system", persona, origin="command"), *context.turns))
        return context if self._recall is None else await self._recall(context, self._fitting)

    def _fitting(self, context: Context, shown: Shown) -> Context:
        """The context with what was found, as far as there is room: the conversation keeps two thirds of it."""
        budget = self._engine.context_tokens - self._sampling.max_new_tokens
        while shown:
            taken = replace(context, shown=shown)
            if self._engine.count_tokens([*self._prompt(taken), *self._begun]) <= budget:
                return taken
            if sum(shown.tokens) <= budget // 3:
                system = [turn for turn in context.turns if turn.role == "system"]
                spoken = [turn for turn in context.turns if turn.role != "system"]

                def fits(turns: Sequence[Message], found: Shown = shown) -> bool:
                    prompt = with_shown([*messages((), self.request.settings.persona), *turns], found)
                    return self._engine.count_tokens([*prompt, *self._begun]) <= budget

                shorter = replace(taken, turns=(*system, *shorten(spoken, fits)))
                if self._engine.count_tokens([*self._prompt(shorter), *self._begun]) <= budget:
                    return shorter
            shown = without_last(shown)
        return replace(context, shown=shown)  # none of it, but it says how well the best fitted

    def _prompt(self, context: Context) -> list[Message]:
        return with_shown(messages(context.turns, self._persona), context.shown)

    def _submit(self, context: Context, adapter: str | InUse | None) -> ChatGeneration:
        shown = [*self._prompt(context), *self._begun]
        sampling = replace(self._sampling, stop=tuple(f"\n{label}:" for label in dict.fromkeys(self._labels)))
        self._generation = self._submitted(shown, sampling, adapter)
        if self._stopped or self._abandoned or self._discarded:
            self._generation.cancel()
        return self._generation

    def _submitted(self, shown: Sequence[Message], sampling: Sampling, adapter: str | InUse | None) -> ChatGeneration:
        channel = str(self.request.channel.id)
        if not isinstance(adapter, InUse) and isinstance(self._engine, AdapterEngine):
            return self._engine.submit(shown, sampling, channel=channel, adapter=adapter)
        return self._engine.submit(shown, sampling, channel=channel)

    async def _first_piece(
        self, pieces: AsyncIterator[str], generation: ChatGeneration, on_queue_place: Callable[[int], Awaitable[None]]
    ) -> str | None:
        """The first piece ("" when there is none); None when the history changed before it."""
        if self._changed:
            return None
        self._first = first = asyncio.ensure_future(_next(pieces))
        try:
            while not (await asyncio.wait({first}, timeout=_QUEUE_NOTICE_S))[0]:
                if place := generation.queue_position:
                    await on_queue_place(place)
            if first.cancelled():
                return None
            self._began = True
            return first.result()
        finally:
            self._first = None
            first.cancel()

    async def _rest(
        self,
        pieces: AsyncIterator[str],
        generation: ChatGeneration,
        text: str,
        on_text: Callable[[str], Awaitable[None]],
    ) -> Completion:
        await self._show(text, on_text)
        async for piece in pieces:
            text += piece
            await self._show(text, on_text)
        completion = await generation.wait()
        if self._discarded:
            raise RequestGone
        if self._abandoned or (completion.finish_reason == "cancelled" and not self._stopped):
            raise EngineClosed  # not stopped by anybody: the bot is shutting down
        return replace(completion, text=without_labels(completion.text, self._labels))

    async def _show(self, text: str, on_text: Callable[[str], Awaitable[None]]) -> None:
        if shown := showable(text, self._labels):
            await on_text(shown)


async def _next(pieces: AsyncIterator[str]) -> str:
    return await anext(pieces, "")
