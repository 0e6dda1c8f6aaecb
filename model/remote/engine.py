"""The engine on another machine: the same interface as `model.engine.Engine`, without weights in this process.

What a prompt is, where an answer ends and what is a thought is decided here, by the base model's own tokenizer. A swap
loads the new adapter on every replica, tries it there, routes new replies to it, and unloads the old one after its last
reply. Must not know Discord or storage.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from model.adapter.files import BaseIdentity
from model.base.files import resolve_base
from model.base.tokenizer import chat_tokenizer
from model.chat import ChatFormat, Message, chat_format, template_hash
from model.config import EngineConfig, ModelConfig
from model.errors import ContextTooLong, EngineClosed, GenerationFailed, ModelError
from model.protocol import DEFAULT_SAMPLING, IN_USE, AdapterRef, EngineStats, InUse, Sampling, SwapReport
from model.reasoning import tags_of
from model.remote.adapters import ServerAdapters
from model.remote.dialect import Prompt
from model.remote.replica import Probe, Replica
from model.remote.replicas import Replicas
from model.remote.reply import Reply
from model.remote.server import Server
from model.serving.generation import Generation
from model.serving.queue import FairQueue
from model.serving.throughput import Throughput

__all__ = ["RemoteEngine"]

log = logging.getLogger(__name__)

_MIN_ANSWER = 16  # tokens of room a prompt must leave
_TEXT = 4 * (
    "Gr\u00fc\u00dfe aus \u0141\u00f3d\u017a, 12345 \u4f60\u597d\uff0c\u4e16\u754c! def f(x): return x**2 # \U0001f44b "
    "\u041f\u0440\u0438\u0432\u0435\u0442 "
)
"""Several alphabets: two tokenizers seldom make the same number of tokens of it."""


@dataclass(eq=False)
class _Request:
    """A generation that waits or is being made."""

    generation: Generation
    prompt: Prompt
    reply: Reply
    task: asyncio.Task[None] | None = None


class RemoteEngine:
    """Answers conversations by one or several servers. Create it with `await RemoteEngine.start(...)`."""

    def __init__(
        self, model: ModelConfig, config: EngineConfig, identity: BaseIdentity, tokenizer: Any, key: str
    ) -> None:
        self._config, self._identity = config, identity
        self._format: ChatFormat = chat_format(tokenizer)
        self._tags = tags_of(tokenizer)
        probe = Probe(self._prompt([Message("user", "Hello")]), _TEXT, len(tokenizer(_TEXT)["input_ids"]))
        servers = [Server(url, config, key) for url in config.url]
        replicas = [Replica(server, config, probe, identity.id) for server in servers]
        self._replicas = Replicas(replicas, model.context_tokens)
        self._queue: FairQueue[_Request] = FairQueue(model.max_queue)
        self._requests: dict[Generation, _Request] = {}
        self._running: set[_Request] = set()
        self._adapters = ServerAdapters(self._replicas, config, identity)
        self._throughput, self._closed = Throughput(), False
        self._last_swap: SwapReport | None = None
        self._looking: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, model: ModelConfig, config: EngineConfig, cache_dir: Path, key: str = "") -> RemoteEngine:
        """Ask the servers, and begin to answer. Servers that do not answer yet are asked again and again.

        Raises:
            BaseNotFound: the base's tokenizer cannot be read here.
            BaseUnsuitable: a server serves another model.
            ClientNotInstalled: the `openai` client is missing.
        """
        ref = await asyncio.to_thread(resolve_base, model.base, cache_dir)
        tokenizer = await asyncio.to_thread(_tokenizer, model, cache_dir)
        engine = cls(model, config, BaseIdentity(ref.id, ref.revision, template_hash(tokenizer)), tokenizer, key)
        unfit = Replicas.unfit(await engine._replicas.look(()))
        if unfit is not None:
            await engine.close()
            raise unfit
        if engine._replicas.up and not engine._replicas.probabilities:
            log.warning("The model server sends no token probabilities: unsure answers are judged by what was found")
        engine._looking = asyncio.create_task(engine._look_again(), name="model servers")
        return engine

    @property
    def adapter(self) -> str | None:
        """Id of the adapter in use, which new replies get; None is the bare base."""
        return held.id if (held := self._adapters.in_use) else None

    @property
    def base_id(self) -> str:
        """Name of the base model."""
        return self._identity.id

    @property
    def context_tokens(self) -> int:
        """Longest prompt plus answer, in tokens."""
        return self._replicas.context

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Length of the rendered prompt, in tokens."""
        return len(self._format.encode_prompt(messages))

    def submit(
        self,
        messages: Sequence[Message],
        sampling: Sampling = DEFAULT_SAMPLING,
        *,
        channel: str = "",
        adapter: str | InUse | None = IN_USE,
    ) -> Generation:
        """Queue a conversation for its next reply, see `model.engine.Engine.submit`.

        Raises QueueFull, ContextTooLong, AdapterNotLoaded, EngineClosed or ServerUnavailable at once.
        """
        if self._closed:
            raise EngineClosed
        prompt = self._prompt(messages)
        if len(prompt.ids) + _MIN_ANSWER > self.context_tokens:
            raise ContextTooLong(len(prompt.ids), self.context_tokens)
        self._adapters.named(adapter)
        if (failure := self._replicas.failure) is not None:
            raise failure
        generation = Generation(self, list(prompt.ids), sampling, channel, adapter)
        request = _Request(generation, prompt, Reply(len(prompt.ids), sampling, self._tags, generation.receive))
        self._queue.push(channel, request)
        self._requests[generation] = request
        self._begin_next()
        return generation

    def stats(self) -> EngineStats:
        """What the engine is doing right now."""
        replies = Counter(request.reply.adapter for request in self._running)
        return EngineStats(
            base_model=self.base_id,
            adapter=self.adapter,
            device="remote",
            slots=self._slots,
            active=len(self._running),
            queued=len(self._queue),
            tokens_per_second=self._throughput.per_second(),
            memory_bytes=0,
            failure=str(self._replicas.failure or ""),
            last_swap=self._last_swap,
            adapters={one.id: replies[one.id] for one in self._adapters.wanted},
            details={"servers": self._replicas.urls},
        )

    async def swap(self, adapter: AdapterRef | None) -> SwapReport:
        """Change the adapter in use (None: the bare base): replies that begin from now on get it.

        Every replica loads it and answers a probe with it before, one after another; replies continue meanwhile.
        Raises AdapterMismatch or ServerUnavailable, and the adapter in use stays.
        """
        began = time.perf_counter()
        await self._adapters.use(adapter)
        self._last_swap = SwapReport(self.adapter, time.perf_counter() - began, 0.0, 0.0)
        return self._last_swap

    async def load(self, adapter: AdapterRef) -> None:
        """Have an adapter on the servers beside the one in use, until `unload`.

        Raises AdapterMismatch or ServerUnavailable.
        """
        await self._adapters.keep(adapter)

    async def unload(self, adapter: str) -> None:
        """Let an adapter go that was loaded, by its id. Its replies in the making end first.

        Raises AdapterNotLoaded.
        """
        self._adapters.let_go(adapter)

    async def sleep(self) -> None:
        """The servers' memory is not ours to give."""

    async def wake(self) -> None:
        """It never sleeps."""

    async def close(self) -> None:
        """Stop: what is in flight or waiting ends as cancelled. Safe to call twice. The servers keep their adapters."""
        self._closed = True
        for request in self._queue.drain():
            self._end(request)
        tasks = [task for task in (self._looking, *(one.task for one in self._running)) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._adapters.close()
        await self._replicas.close()

    # For generations: model.serving.generation asks for these two

    def position(self, generation: Generation) -> int:
        """The generation's position in the queue, from 1; 0 when it is not waiting."""
        request = self._requests.get(generation)
        return self._queue.position(request, self._busy()) if request else 0

    def notify(self, generation: Generation) -> None:
        """A cancelled generation ends at once."""
        request = self._requests.get(generation)
        if request is None:
            return
        if self._queue.remove(request):
            self._end(request)
        elif request.task is not None:
            request.task.cancel()

    # Replies

    @property
    def _slots(self) -> int:
        return self._config.requests * max(1, len(self._replicas.up))

    def _busy(self) -> list[str]:
        return [request.generation.channel for request in self._running]

    def _begin_next(self) -> None:
        while len(self._running) < self._slots and (request := self._queue.pop(self._busy())) is not None:
            self._running.add(request)
            request.task = asyncio.create_task(self._make(request), name="remote reply")
            request.task.add_done_callback(partial(self._made, request))

    async def _make(self, request: _Request) -> None:
        generation, reply = request.generation, request.reply
        adapter = self._adapters.named(generation.adapter)
        reply.adapter = adapter.id if adapter else None
        with self._adapters.answering(adapter):
            await self._replicas.answer(reply, adapter, request.prompt, generation.sampling)

    def _made(self, request: _Request, task: asyncio.Task[None]) -> None:
        self._running.discard(request)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, ModelError):
            log.error("A reply failed", exc_info=error)
            error = GenerationFailed(type(error).__name__)
        self._throughput.add(request.reply.tokens)
        self._end(request, error)
        if not self._closed:
            self._begin_next()

    def _end(self, request: _Request, error: ModelError | None = None) -> None:
        self._requests.pop(request.generation, None)
        request.generation.receive(error or request.reply.completion())

    def _prompt(self, messages: Sequence[Message]) -> Prompt:
        form = self._format
        ids, turns = form.encode_prompt(messages), form.plain_turns(messages)
        return Prompt(tuple(ids), tuple(turns), form.end_of_turn, form.switches)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._config.look_seconds)
            await self._adapters.look()
            self._begin_next()


def _tokenizer(model: ModelConfig, cache_dir: Path) -> Any:
    """The base's tokenizer, from beside its converted weights where they lie here."""
    ref = resolve_base(model.base, cache_dir)
    converted = cache_dir / f"{ref.slug}-nf4"
    return chat_tokenizer(ref, model, cache_dir.parent, converted if converted.is_dir() else None)
