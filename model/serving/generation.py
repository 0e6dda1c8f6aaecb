"""One reply in the making, as the caller sees it: pieces of text in an event loop, fed from another thread.

Knows asyncio and nothing of tokens, rows or models.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from model.errors import ModelError
from model.protocol import IN_USE, Completion, InUse, Sampling

__all__ = ["Generation", "Outbox"]


class _Queue(Protocol):
    """Where a reply waits for its turn."""

    def position(self, generation: Generation) -> int: ...

    def notify(self, generation: Generation) -> None: ...


class Generation:
    """One reply in the making. Iterate it for pieces of text, or `wait()` for the whole."""

    def __init__(
        self,
        queue: _Queue,
        prompt: list[int],
        sampling: Sampling,
        channel: str,
        adapter: str | InUse | None = IN_USE,
    ) -> None:
        self.prompt, self.sampling, self.channel, self.adapter = prompt, sampling, channel, adapter
        self.cancelled = False
        self._queue = queue
        self.loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._result: asyncio.Future[Completion] = self.loop.create_future()
        # A failure nobody waits for is the worker's to log, not asyncio's to complain about.
        self._result.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def __aiter__(self) -> AsyncIterator[str]:
        while (piece := await self._pieces.get()) is not None:
            yield piece
        await self.wait()

    async def wait(self) -> Completion:
        """The finished reply; raises ModelError when it failed."""
        return await asyncio.shield(self._result)

    def cancel(self) -> None:
        """Stop as soon as possible; what was said so far stands."""
        self.cancelled = True
        self._queue.notify(self)

    @property
    def queue_position(self) -> int:
        """0 once it is being answered, else its position in the queue, from 1."""
        return self._queue.position(self)

    def finish(self, result: Completion | ModelError) -> None:
        """End it, from another thread than the asking loop's."""
        outbox = Outbox()
        outbox.put(self, result)
        outbox.send()

    def receive(self, event: str | Completion | ModelError) -> None:
        """A piece of text or the end, in the asking loop's own thread."""
        if isinstance(event, str):
            self._pieces.put_nowait(event)
            return
        self._pieces.put_nowait(None)
        if self._result.done():
            return
        if isinstance(event, ModelError):
            self._result.set_exception(event)
        else:
            self._result.set_result(event)


class Outbox:
    """What a thread has to tell generations, in order: waking an event loop once for all costs less than for each."""

    def __init__(self) -> None:
        self._events: dict[asyncio.AbstractEventLoop, list[tuple[Generation, str | Completion | ModelError]]] = {}

    def put(self, generation: Generation, event: str | Completion | ModelError) -> None:
        """Something for the next `send`."""
        self._events.setdefault(generation.loop, []).append((generation, event))

    def send(self) -> None:
        """Hand everything over."""
        for loop, items in self._events.items():
            try:
                loop.call_soon_threadsafe(_deliver, items)
            except RuntimeError:  # the asking loop is gone, and with it the caller
                for generation, _ in items:
                    generation.cancelled = True
        self._events = {}


def _deliver(items: list[tuple[Generation, str | Completion | ModelError]]) -> None:
    for generation, event in items:
        generation.receive(event)
