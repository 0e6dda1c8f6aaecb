"""The engine: answers many conversations at once with one adapter at a time; asyncio on the outside.

Loads the base and validates an adapter before a byte of it moves. The model itself belongs to the
worker's thread (model/serving/worker.py); a swap happens there between two replies, so every reply is made by one
adapter. When an error ends that thread, `failed` returns and `restart` loads everything again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from model.adapter.files import BaseIdentity, read_adapter
from model.adapter.slot import StagedAdapter
from model.base.loading import load_base
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from model.device_errors import breaks_device, is_out_of_memory
from model.errors import (
    AdapterMismatch,
    ContextTooLong,
    EngineClosed,
    EngineFailed,
    ModelError,
    OutOfMemory,
    WakeFailed,
)
from model.protocol import DEFAULT_SAMPLING, AdapterRef, EngineStats, Sampling, SwapReport
from model.serving.decoder import Decoder
from model.serving.generation import Generation
from model.serving.worker import Worker

__all__ = ["Engine", "Generation"]

log = logging.getLogger(__name__)

_MIN_ANSWER = 16  # tokens of room a prompt must leave


class Engine:
    """Answers conversations on one device with one adapter at a time. Create it with `await Engine.start(...)`."""

    def __init__(self, config: ModelConfig, cache_dir: Path, decoder: Decoder) -> None:
        self._config, self._cache_dir = config, cache_dir
        self._identity: BaseIdentity = decoder.identity
        self._shapes = decoder.slot.shapes
        self._tokenizer = decoder.base.tokenizer
        self._context, self._device = decoder.context, str(decoder.device)
        self._adapter: AdapterRef | None = None
        self._last_swap: SwapReport | None = None
        self._closed = False
        self._worker = Worker(decoder, config.max_queue)

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
        """Id of the adapter in use; None is the bare base."""
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
        self, messages: Sequence[Message], sampling: Sampling = DEFAULT_SAMPLING, *, channel: str = ""
    ) -> Generation:
        """Queue a conversation for its next reply; call it inside a running event loop.

        Raises QueueFull, ContextTooLong, EngineClosed or EngineFailed at once.
        """
        prompt = encode_prompt(self._tokenizer, messages)
        if len(prompt) + _MIN_ANSWER > self._context:
            raise ContextTooLong(len(prompt), self._context)
        generation = Generation(self._worker, prompt, sampling, channel)
        self._worker.submit(generation)
        return generation

    def stats(self) -> EngineStats:
        """What the engine is doing right now."""
        decoder = self._worker.decoder
        active, queued = self._worker.load()
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
            details={"decoding": decoder.path} if decoder else {},
        )

    async def swap(self, adapter: AdapterRef | None) -> SwapReport:
        """Change the adapter (None: the bare base) between two replies.

        First it is read and validated in full while replies continue. Then the running replies finish, and its weights
        are copied in place. Raises AdapterMismatch, and the adapter in use stays; EngineFailed when there is no
        engine any more.
        """
        began = time.perf_counter()
        staged = await asyncio.to_thread(self._stage, adapter)
        loaded = time.perf_counter()
        report: SwapReport = await self._worker.between_replies(lambda: self._swap_now(adapter, staged, began, loaded))
        return report

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
        """Restart after `failed`: load the base again, with the adapter it had. Does nothing while it works.

        An adapter that cannot be read any more leaves the bare base, and `adapter` None.

        Raises:
            ModelError: the base cannot be loaded; it may be tried again.
            EngineClosed: the engine was closed.
        """
        if self._closed:
            raise EngineClosed
        if self.failure is None:
            return
        worker = Worker(await asyncio.to_thread(self._reload), self._config.max_queue)
        if self._closed:  # meanwhile
            raise EngineClosed
        self._worker, adapter, self._adapter = worker, self._adapter, None
        worker.start()
        if adapter is not None:
            try:
                await self.swap(adapter)
            except AdapterMismatch as error:
                log.error("%s", error)  # noqa: TRY400 - a sentence; where it was raised says nothing more

    async def close(self) -> None:
        """Stop: what is in flight or waiting ends as cancelled. Safe to call twice."""
        self._closed = True
        await asyncio.to_thread(self._worker.stop)

    def _stage(self, adapter: AdapterRef | None) -> StagedAdapter | None:
        """Read, validate and bring to the device; None while the engine sleeps, when waking does all that."""
        return self._staged_for(self._worker.decoder, adapter)

    def _staged_for(self, decoder: Decoder | None, adapter: AdapterRef | None) -> StagedAdapter | None:
        with _memory_watched("reading an adapter", self._device), torch.inference_mode():
            weights = read_adapter(adapter.path, self._identity, self._shapes) if adapter else None
            return decoder.slot.stage(weights) if decoder is not None else None

    # On the worker's thread, between two replies

    def _swap_now(
        self, adapter: AdapterRef | None, staged: StagedAdapter | None, began: float, loaded: float
    ) -> SwapReport:
        barrier, decoder = time.perf_counter(), self._worker.decoder
        if decoder is not None:
            self._write(decoder, adapter, staged)
            if decoder.device.type == "cuda":
                torch.cuda.synchronize(decoder.device)
        self._adapter, self._worker.adapter = adapter, adapter.id if adapter else None
        paused = time.perf_counter()
        self._last_swap = SwapReport(self.adapter, loaded - began, barrier - loaded, paused - barrier)
        return self._last_swap

    def _release(self) -> None:
        self._worker.decoder = None
        _forget_memory()

    def _reload(self) -> Decoder:
        try:
            _forget_memory()
            return _make_decoder(self._config, self._cache_dir)
        except ModelError:
            raise
        except Exception as error:
            log.exception("The engine could not be started again")
            raise EngineFailed(type(error).__name__) from error

    def _restore(self) -> None:
        """Load, put the adapter in, and only then answer with it."""
        if self._worker.decoder is not None:
            return
        try:
            decoder = _make_decoder(self._config, self._cache_dir)
            self._write(decoder, self._adapter, None)
        except Exception as error:
            _forget_memory()
            if isinstance(error, ModelError) or breaks_device(error):
                raise
            log.exception("The engine could not be woken")
            raise WakeFailed(type(error).__name__) from error
        self._worker.decoder = decoder

    def _write(self, decoder: Decoder, adapter: AdapterRef | None, staged: StagedAdapter | None) -> None:
        """Put an adapter in place; one that was staged while the engine slept is staged now."""
        staged = staged or self._staged_for(decoder, adapter)
        if staged is None:
            raise EngineClosed
        decoder.write_adapter(staged)


def _make_decoder(config: ModelConfig, cache_dir: Path) -> Decoder:
    """Load the base and make everything ready for the first reply."""
    with _memory_watched(f"loading the base model {config.base!r}", config.device), torch.inference_mode():
        decoder = Decoder(load_base(config, cache_dir), config)
        decoder.warm_up()
    return decoder


@contextmanager
def _memory_watched(doing: str, device: str) -> Iterator[None]:
    """Say that memory ran out, and while doing what, whatever library noticed it."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(doing, "the CPU" if device == "cpu" else device) from error


def _forget_memory() -> None:
    """Return unused memory to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
