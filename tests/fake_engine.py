"""A working engine without a model: it answers from a queue of replies, word by word. For Discord-behaviour tests."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from model.chat import Message
from model.errors import AdapterNotLoaded, EngineClosed, GenerationFailed, QueueFull
from model.protocol import IN_USE, AdapterRef, Completion, EngineStats, InUse, Sampling, SwapReport


@dataclass(frozen=True)
class Fail:
    """A queued reply that breaks off after `after` words."""

    after: int = 0


@dataclass(frozen=True)
class Endless:
    """A queued reply that is cut off by its length limit."""

    text: str


class Gate:
    """Like asyncio.Event, but one that waits can be let through alone."""

    def __init__(self) -> None:
        self._open = True
        self._waiting: dict[object, asyncio.Event] = {}

    def is_set(self) -> bool:
        return self._open

    def set(self) -> None:
        self._open = True
        for one in list(self._waiting):
            self.release(one)

    def clear(self) -> None:
        self._open = False

    def release(self, who: object) -> None:
        if who in self._waiting:
            self._waiting[who].set()

    async def wait(self, who: object) -> None:
        event = self._waiting[who] = asyncio.Event()
        try:
            await event.wait()
        finally:
            del self._waiting[who]


class FakeEngine:
    """Queue what it should say with `say`; without a queue it repeats the question.

    Attributes:
        seen: the messages of each request, in order.
        samplings: how each was to be drawn.
        place: the place in the queue of every reply that has not begun.
        refuse: what `submit` raises instead of answering.
        refuse_swap: what `swap` raises instead of swapping.
        open: clear it to hold every reply before its next word, set it to go on.
        outside: what a reply that is held waits with; the simulated Discord gives one that it does not wait for.
        confidence: how sure it says it was of each answer.
        pause_after: words after which a reply clears `open` by itself.
    """

    base_id = "fake-base"
    context_tokens = 512

    def __init__(self, *replies: str | Fail | Endless) -> None:
        self.adapter: str | None = None
        self.replies: deque[str | Fail | Endless] = deque(replies)
        self.seen: list[list[Message]] = []
        self.samplings: list[Sampling | None] = []
        self.place = 0
        self.pause_after: int | None = None
        self.confidence: float | None = None
        self.channels: list[str] = []
        self.swaps: list[AdapterRef | None] = []
        self.loaded: dict[str, AdapterRef] = {}  # beside the one in use
        self.refuse: Exception | None = None
        self.refuse_swap: Exception | None = None
        self.max_queue = 8
        self.active = 0
        self.closed = False
        self.open = Gate()
        self.outside: Callable[..., Awaitable[object]] | None = None
        self.asked = asyncio.Event()  # set with the first request
        self.idle = asyncio.Event()
        self.idle.set()

    def say(self, *replies: str | Fail | Endless) -> None:
        self.replies.extend(replies)

    def submit(
        self,
        messages: Sequence[Message],
        sampling: Sampling | None = None,
        *,
        channel: str = "",
        adapter: str | InUse | None = IN_USE,
    ) -> FakeGeneration:
        if self.closed:
            raise EngineClosed
        if isinstance(adapter, str) and adapter != self.adapter and adapter not in self.loaded:
            raise AdapterNotLoaded(adapter)
        if self.refuse is not None:
            raise self.refuse
        if self.active >= self.max_queue:
            raise QueueFull(self.active)
        self.seen.append(list(messages))
        self.samplings.append(sampling)
        self.asked.set()
        self.channels.append(channel)
        reply = self.replies.popleft() if self.replies else f"You said: {messages[-1].content}"
        generation = FakeGeneration(self, reply)
        if not isinstance(adapter, InUse):
            generation._adapter = adapter
        return generation

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """One token a word."""
        return sum(len(message.content.split()) for message in messages)

    def stats(self) -> EngineStats:
        return EngineStats(
            base_model=self.base_id,
            adapter=self.adapter,
            device="cpu",
            slots=1,
            active=self.active,
            queued=0,
            tokens_per_second=0.0,
            memory_bytes=0,
        )

    async def swap(self, adapter: AdapterRef | None) -> SwapReport:
        if self.refuse_swap is not None:
            raise self.refuse_swap
        await self.idle.wait()
        self.swaps.append(adapter)
        self.adapter = adapter.id if adapter else None
        return SwapReport(self.adapter, load_s=0.001, waited_s=0.0, pause_s=0.002)

    async def load(self, adapter: AdapterRef) -> None:
        self.loaded[adapter.id] = adapter

    async def unload(self, adapter: str) -> None:
        if self.loaded.pop(adapter, None) is None:
            raise AdapterNotLoaded(adapter)

    async def sleep(self) -> None: ...

    async def wake(self) -> None: ...

    async def close(self) -> None:
        self.closed = True


class FakeGeneration:
    """One reply, in words."""

    def __init__(self, engine: FakeEngine, reply: str | Fail | Endless) -> None:
        self._engine = engine
        self._reply = reply
        self._said = ""
        self._cancelled = False
        self._adapter = engine.adapter
        engine.active += 1
        engine.idle.clear()
        self._counted = True

    @property
    def queue_position(self) -> int:
        return 0 if self._said else self._engine.place

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            text = self._reply.text if isinstance(self._reply, Endless) else self._reply
            text = "one two three" if isinstance(text, Fail) else text
            for count, word in enumerate(re.findall(r"\s*\S+", text)):
                if count == self._engine.pause_after:
                    self._engine.open.clear()
                await self._held()
                await asyncio.sleep(0)
                if isinstance(self._reply, Fail) and count >= self._reply.after:
                    raise GenerationFailed("queued to fail")
                if self._cancelled:
                    return
                self._said += word
                yield word
        finally:
            self._leave()

    async def wait(self) -> Completion:
        if self._counted:
            async for _ in self:
                pass
        return Completion(
            text=self._said,
            finish_reason="cancelled" if self._cancelled else "length" if isinstance(self._reply, Endless) else "stop",
            adapter=self._adapter,
            prompt_tokens=1,
            completion_tokens=len(self._said.split()),
            first_token_s=0.0,
            seconds=0.0,
            confidence=self._engine.confidence,
        )

    def cancel(self) -> None:
        self._cancelled = True
        self._engine.open.release(self)
        self._leave()

    async def _held(self) -> None:
        if self._engine.open.is_set() or self._cancelled:
            return
        waiting = self._engine.open.wait(self)
        await (self._engine.outside(waiting, reason="a held reply") if self._engine.outside else waiting)

    def _leave(self) -> None:
        if self._counted:
            self._counted = False
            self._engine.active -= 1
            if not self._engine.active:
                self._engine.idle.set()
