"""The engine: answers many conversations at once, each with one adapter; asyncio on the outside.

Loads the base and validates an adapter before a byte of it moves. The model itself belongs to the worker's thread
(model/serving/worker.py). A swap writes to a free slot there between two steps: replies in the making keep the adapter
they began with. When an error ends that thread, `failed` returns and `restart` loads everything again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from model.adapter.files import BaseIdentity
from model.base.loading import load_base
from model.base.memory import memory_watched
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from model.device_errors import breaks_device
from model.errors import (
    AdapterMismatch,
    ContextTooLong,
    EngineClosed,
    EngineFailed,
    ModelError,
    WakeFailed,
)
from model.protocol import DEFAULT_SAMPLING, IN_USE, AdapterRef, EngineStats, InUse, Sampling, SwapReport
from model.serving.adapter_loading import AdapterLoading
from model.serving.decoder import Decoder
from model.serving.generation import Generation
from model.serving.worker import Worker

__all__ = ["Engine", "Generation"]

log = logging.getLogger(__name__)

_MIN_ANSWER = 16  # tokens of room a prompt must leave


class Engine:
    """Answers conversations on one device. Create it with `await Engine.start(...)`."""

    def __init__(self, config: ModelConfig, cache_dir: Path, decoder: Decoder) -> None:
        self._config, self._cache_dir = config, cache_dir
        self._identity: BaseIdentity = decoder.identity
        self._tokenizer = decoder.base.tokenizer
        self._context, self._device = decoder.context, str(decoder.device)
        self._loading = AdapterLoading(self._identity, decoder.slots.shapes, self._device)
        self._last_swap: SwapReport | None = None
        self._closed = False
        self._worker = self._make_worker(decoder)

    def _make_worker(self, decoder: Decoder) -> Worker:
        return Worker(decoder, self._config.max_queue, self._config.adapter_slots)

    @classmethod
    async def start(cls, config: ModelConfig, cache_dir: Path, adapter: AdapterRef | None = None) -> Engine:
        """Load the base and `adapter`, and begin to answer. Raises ModelError when either cannot be loaded."""
        engine = cls(config, cache_dir, await asyncio.to_thread(_make_decoder, config, cache_dir))
        engine._worker.start()
        if adapter is not None:
            try:
                await engine.swap(adapter)
            except BaseException:
                await engine.close()
                raise
        return engine

    @property
    def adapter(self) -> str | None:
        """Id of the adapter in use, which new replies get; None is the bare base."""
        return self._worker.adapter

    @property
    def failure(self) -> EngineFailed | None:
        """Why the engine answers nothing any more, until `restart`; None while it works."""
        return self._worker.failure

    @property
    def base_id(self) -> str:
        """Name of the base model."""
        return self._identity.id

    @property
    def context_tokens(self) -> int:
        """Longest prompt plus answer, in tokens."""
        return self._context

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Length of the rendered prompt, in tokens."""
        return len(encode_prompt(self._tokenizer, messages))

    def submit(
        self,
        messages: Sequence[Message],
        sampling: Sampling = DEFAULT_SAMPLING,
        *,
        channel: str = "",
        adapter: str | InUse | None = IN_USE,
    ) -> Generation:
        """Queue a conversation for its next reply; call it inside a running event loop.

        Args:
            messages: the conversation.
            sampling: how the reply is drawn.
            channel: requests of one channel let those of another go first.
            adapter: the one in use when the reply begins, or the id of one that was loaded; None is the bare base.

        Raises QueueFull, ContextTooLong, AdapterNotLoaded, EngineClosed or EngineFailed at once.
        """
        prompt = encode_prompt(self._tokenizer, messages)
        if len(prompt) + _MIN_ANSWER > self._context:
            raise ContextTooLong(len(prompt), self._context)
        generation = Generation(self._worker, prompt, sampling, channel, adapter)
        self._worker.submit(generation)
        return generation

    def stats(self) -> EngineStats:
        """What the engine is doing right now."""
        decoder = self._worker.decoder
        active, queued = self._worker.load()
        with self._worker.lock:
            adapters = self._worker.bank.replies()
        return EngineStats(
            base_model=self.base_id,
            adapter=self.adapter,
            device=self._device,
            slots=decoder.rows if decoder else 0,
            active=active,
            queued=queued,
            tokens_per_second=self._worker.tokens_per_second(),
            memory_bytes=decoder.memory_bytes if decoder else 0,
            asleep=decoder is None and self.failure is None,
            failure=str(self.failure or ""),
            last_swap=self._last_swap,
            adapters=adapters,
            details={"decoding": decoder.path} if decoder else {},
        )

    async def swap(self, adapter: AdapterRef | None) -> SwapReport:
        """Change the adapter in use (None: the bare base): replies that begin from now on get it.

        First it is read and validated in full, then written to a free slot. Replies continue meanwhile, to their end
        with the adapter that they began with. If every slot is taken, it waits until the last reply of an earlier
        adapter ends. If no slot holds an earlier adapter, or the rank is larger than the slots', it waits until no
        reply is being made, and new ones queue.

        Raises AdapterMismatch or BankFull, and the adapter in use stays; EngineFailed when there is no engine any more.
        """
        began, worker = time.perf_counter(), self._worker

        def use(loaded: float, arrived: float) -> SwapReport:
            worker.bank.use(adapter)
            pause = time.perf_counter() - arrived
            self._last_swap = SwapReport(adapter.id if adapter else None, loaded - began, arrived - loaded, pause)
            return self._last_swap

        return await self._loading.bring(worker, adapter, use, replacing=True)

    async def load(self, adapter: AdapterRef) -> None:
        """Hold an adapter in memory beside the one in use, for `submit(..., adapter=ID)`, until `unload`.

        Raises AdapterMismatch, BankFull or EngineFailed.
        """
        worker = self._worker
        await self._loading.bring(worker, adapter, lambda *_: worker.bank.keep(adapter), replacing=False)

    async def unload(self, adapter: str) -> None:
        """Let an adapter go that was loaded, by its id. Its replies in the making end first.

        Raises AdapterNotLoaded, also for requests of its own that still wait.
        """
        worker = self._worker

        def let_go() -> None:
            with worker.lock:
                worker.bank.let_go(adapter)

        await worker.between_steps(let_go)

    async def sleep(self) -> None:
        """Finish the running replies and release the model's memory; requests queue until `wake`."""
        await self._worker.between_replies(self._release)

    async def wake(self) -> None:
        """Load the model again, with the adapter it had, and answer what queued meanwhile.

        Raises ModelError, and the engine stays asleep: call it again when there is more room, or after `swap`.
        """
        await self._worker.between_replies(self._restore)

    async def failed(self) -> EngineFailed:
        """Wait until the engine cannot go on, and say why. Whatever was asked of it has been answered by then."""
        return await asyncio.shield(asyncio.wrap_future(self._worker.failed))

    def mark_failed(self, why: str) -> None:
        """Mark the engine as failed: every waiting request is answered with that."""
        self._worker.mark_failed(why)

    async def restart(self) -> None:
        """Restart after `failed`: load the base again, with the adapters it had, and only then answer.

        Does nothing while it works.

        An adapter that cannot be read any more leaves the bare base, and `adapter` None.

        Raises:
            ModelError: the base cannot be loaded; it may be tried again.
            EngineClosed: the engine was closed.
        """
        if self._closed:
            raise EngineClosed
        if self.failure is None:
            return
        worker = await asyncio.to_thread(self._reload)
        if self._closed:  # meanwhile
            raise EngineClosed
        self._worker = worker
        worker.start()

    async def close(self) -> None:
        """Stop: what is in flight or waiting ends as cancelled. Safe to call twice."""
        self._closed = True
        await asyncio.to_thread(self._worker.stop)

    # On the worker's thread, between two replies

    def _release(self) -> None:
        self._worker.decoder = None
        _forget_memory()

    def _reload(self) -> Worker:
        """A worker as the failed one was, which is not started yet."""
        try:
            _forget_memory()
            worker = self._make_worker(_make_decoder(self._config, self._cache_dir))
            self._loading.put_back(worker, self._worker.bank)
        except ModelError:
            raise
        except Exception as error:
            log.exception("The engine could not be started again")
            raise EngineFailed(type(error).__name__) from error
        return worker

    def _restore(self) -> None:
        """Load, put the adapters in, and only then answer with them."""
        worker = self._worker
        if worker.decoder is not None:
            return
        try:
            decoder = _make_decoder(self._config, self._cache_dir)
            self._write_held(decoder, worker)
        except Exception as error:
            _forget_memory()
            if isinstance(error, ModelError) or breaks_device(error):
                raise
            log.exception("The engine could not be woken")
            raise WakeFailed(type(error).__name__) from error
        worker.decoder = decoder

    def _write_held(self, decoder: Decoder, worker: Worker) -> None:
        """Write the adapters that the bank holds. One that was loaded beside the one in use is let go if it is bad."""
        with worker.lock:
            held, in_use = worker.bank.held, worker.bank.in_use
        for slot, adapter in held.items():
            try:
                self._loading.write(decoder, slot, adapter)
            except AdapterMismatch as error:
                if adapter == in_use:
                    raise
                log.error("%s", error)  # noqa: TRY400 - a sentence; where it was raised says nothing more
                with worker.lock:
                    worker.bank.let_go(adapter.id)


def _make_decoder(config: ModelConfig, cache_dir: Path) -> Decoder:
    """Load the base and make everything ready for the first reply."""
    with memory_watched(f"loading the base model {config.base!r}", config.device), torch.inference_mode():
        decoder = Decoder(load_base(config, cache_dir), config)
        decoder.warm_up()
    return decoder


def _forget_memory() -> None:
    """Return unused memory to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
