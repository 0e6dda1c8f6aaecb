"""One answer in the making: from the conversation to the last word, with everything that can happen on the way.

It waits for its turn and says so, starts anew when the conversation changes before the first word, and stops when
asked to. Where the words are shown, and what becomes of them, is not its affair.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

import discord

from bot.chat.context import Context, messages
from bot.chat.history import Ear
from bot.chat.request import Question
from bot.chat.speakers import hold_back, label_of, labels_in, own_words
from model.chat import Message
from model.errors import EngineClosed
from model.protocol import ChatEngine, ChatGeneration, Completion, Sampling
from storage.records import Turn

__all__ = ["Draft", "NothingAsked", "QuestionGone"]

PATIENCE = 3.0
"""Seconds of waiting after which an asker is told their place in the queue, and again each time as long."""

_ENOUGH = 5
"""After so many changes before the first word, the conversation is answered as it is then."""


class NothingAsked(Exception):
    """The question has no words."""


class QuestionGone(Exception):
    """The question was deleted before its answer began, or stands elsewhere now."""


class Draft:
    """Write it once with `write`; meanwhile `stop` and `changed` may be called.

    `stored` says whether the answer is in the store; whoever puts it there sets it.
    """

    def __init__(self, engine: ChatEngine, question: Question, sampling: Sampling, persona: str) -> None:
        self.question = question
        self.stored = False
        self._engine = engine
        self._sampling = sampling
        self._persona = persona
        self._watched: set[int] = {question.id}
        self._meanwhile: set[int] = set()  # changed since the conversation was last asked for
        self._first: asyncio.Task[str] | None = None
        self._changed = self._began = self._stopped = self._abandoned = self._withdrawn = False
        self._generation: ChatGeneration | None = None
        self._labels: tuple[str, ...] = ()
        # A conversation that ends with the bot's own words is gone on with.
        self._begun = [Message("assistant", question.begun)] if question.begun else []

    async def write(
        self,
        ear: Ear,
        *,
        grown: Callable[[str], Awaitable[None]],
        waiting: Callable[[int], Awaitable[None]],
    ) -> tuple[Context, Completion]:
        """The finished answer and what it was generated from.

        Args:
            ear: hears the conversation.
            grown: told the text each time there is more of it.
            waiting: told the place in the queue while it is long.

        Raises:
            NothingAsked, QuestionGone: there is nothing to answer.
            ModelError: whatever the engine raises.
        """
        times = 0
        while True:
            self._changed = False
            self._began = times >= _ENOUGH
            context = await self._listen(ear)
            generation = self._submit(context)
            try:
                pieces = aiter(generation)
                text = await self._first_piece(pieces, generation, waiting)
                if text is None:
                    generation.cancel()
                    ear = replace(ear, fresh=True)
                    times += 1
                    continue
                return context, await self._rest(pieces, generation, text, grown)
            except BaseException:
                generation.cancel()
                raise

    def stop(self) -> None:
        """End here; what was said so far is the answer."""
        self._stopped = True
        if self._generation is not None:
            self._generation.cancel()

    def abandon(self) -> None:
        """End here, because the bot is going away: `write` raises EngineClosed."""
        self._abandoned = True
        if self._generation is not None:
            self._generation.cancel()

    def withdraw(self) -> None:
        """End here, because the question stands elsewhere now: `write` raises QuestionGone."""
        self._withdrawn = True
        if self._generation is not None:
            self._generation.cancel()

    def changed(self, message_ids: set[int]) -> None:
        """Messages were edited or deleted. Matters only until the first word, and if they are part of this."""
        if self._began:
            return
        self._meanwhile |= message_ids
        if self._watched & message_ids:
            self.read_anew()

    def read_anew(self) -> None:
        """The conversation is not what it was. Matters only until the first word."""
        if not self._began:
            self._changed = True
            if self._first is not None:
                self._first.cancel()

    async def _listen(self, ear: Ear) -> Context:
        room = self._engine.context_tokens - self._sampling.max_new_tokens
        led = messages((), self.question.settings.persona)

        def fits(shown: Sequence[Message]) -> bool:
            return self._engine.count_tokens([*led, *shown, *self._begun]) <= room

        self._meanwhile.clear()
        try:
            context = await self.question.listen(ear, fits)
        except discord.NotFound:
            raise QuestionGone from None
        if context is None:
            raise NothingAsked
        self._watched = {self.question.id, *(turn.message_id for turn in context.turns if turn.message_id)}
        theirs = labels_in(turn.content for turn in context.turns if turn.role == "user")
        self._labels = (*theirs, label_of(self.question.asker.display_name), label_of(self.question.own_name))
        if not self._began and self._watched & self._meanwhile:
            self._changed = True  # one that was read already, while others were still being asked for
        persona = self.question.settings.persona
        if persona and persona != self._persona:
            # Whoever learns from this later knows the operator's persona, but not what was set on Discord.
            context = replace(context, turns=(Turn("system", persona), *context.turns))
        return context

    def _submit(self, context: Context) -> ChatGeneration:
        shown = [*messages(context.turns, self._persona), *self._begun]
        sampling = replace(self._sampling, stop=tuple(f"\n{label}:" for label in dict.fromkeys(self._labels)))
        self._generation = self._engine.submit(shown, sampling, channel=str(self.question.channel.id))
        if self._stopped or self._abandoned or self._withdrawn:
            self._generation.cancel()
        return self._generation

    async def _first_piece(
        self, pieces: AsyncIterator[str], generation: ChatGeneration, waiting: Callable[[int], Awaitable[None]]
    ) -> str | None:
        """The first piece ("" when there is none); None when the conversation changed before it."""
        if self._changed:
            return None
        self._first = first = asyncio.ensure_future(_next(pieces))
        try:
            while not (await asyncio.wait({first}, timeout=PATIENCE))[0]:
                if place := generation.place:
                    await waiting(place)
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
        grown: Callable[[str], Awaitable[None]],
    ) -> Completion:
        await self._grow(text, grown)
        async for piece in pieces:
            text += piece
            await self._grow(text, grown)
        completion = await generation.wait()
        if self._withdrawn:
            raise QuestionGone
        if self._abandoned or (completion.finish_reason == "cancelled" and not self._stopped):
            raise EngineClosed  # nobody asked for it: the bot is going away
        return replace(completion, text=own_words(completion.text, self._labels))

    async def _grow(self, text: str, grown: Callable[[str], Awaitable[None]]) -> None:
        if shown := hold_back(text, self._labels):
            await grown(shown)


async def _next(pieces: AsyncIterator[str]) -> str:
    return await anext(pieces, "")
