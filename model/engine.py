"""The engine: answers many conversations at once with one adapter at a time; asyncio on the outside.

Loads the base, validates adapters before a byte moves, and says what a thread may see. The model itself belongs to the
worker's thread (model/worker.py); a swap happens there between two replies, so every reply is made by one adapter.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from model.adapter_files import BaseIdentity, read_adapter
from model.base import load_base
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from model.decoder import Decoder
from model.errors import ContextTooLong, EngineClosed
from model.generation import Generation
from model.lora import StagedAdapter
from model.protocol import DEFAULT_SAMPLING, AdapterRef, EngineStats, Sampling, SwapReport
from model.worker import Worker

__all__ = ["Engine", "Generation"]

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
        self._worker = Worker(decoder, config.max_queue)

    @classmethod
    async def start(cls, config: ModelConfig, cache_dir: Path, adapter: AdapterRef | None = None) -> Engine:
        """Load the base and `adapter`, and begin to answer. Raises BaseNotFound, DoesNotFit or AdapterMismatch."""
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

        Raises QueueFull, ContextTooLong or EngineClosed at once.
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
            asleep=decoder is None,
            last_swap=self._last_swap,
            details={"decoding": decoder.path} if decoder else {},
        )

    async def swap(self, adapter: AdapterRef | None) -> SwapReport:
        """Change the adapter (None: the bare base) between two replies.

        It is read and validated in full first, while replies go on; then the replies in flight are finished; then its
        weights are copied in place. Raises AdapterMismatch, and the adapter in use stays.
        """
        began = time.perf_counter()
        staged = await asyncio.to_thread(self._stage, adapter)
        loaded = time.perf_counter()
        report: SwapReport = await self._worker.between_replies(lambda: self._swap_now(adapter, staged, began, loaded))
        return report

    async def sleep(self) -> None:
        """Finish the replies in flight and release the model's memory; requests queue until `wake`."""
        await self._worker.between_replies(self._release)

    async def wake(self) -> None:
        """Load the model again, with the adapter it had, and answer what queued meanwhile."""
        await self._worker.between_replies(self._restore)

    async def close(self) -> None:
        """Stop: what is in flight or waiting ends as cancelled. Safe to call twice."""
        await asyncio.to_thread(self._worker.stop)

    def _stage(self, adapter: AdapterRef | None) -> StagedAdapter | None:
        """Read, validate and bring to the device; None while the engine sleeps, when waking does all that."""
        weights = read_adapter(adapter.path, self._identity, self._shapes) if adapter else None
        decoder = self._worker.decoder
        with torch.inference_mode():
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
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _restore(self) -> None:
        if self._worker.decoder is None:
            decoder = _make_decoder(self._config, self._cache_dir)
            self._worker.decoder = decoder
            self._write(decoder, self._adapter, None)

    def _write(self, decoder: Decoder, adapter: AdapterRef | None, staged: StagedAdapter | None) -> None:
        """Put an adapter in place; one that was staged while the engine slept is staged now."""
        staged = staged or self._stage(adapter)
        if staged is None:
            raise EngineClosed
        decoder.write_adapter(staged)


def _make_decoder(config: ModelConfig, cache_dir: Path) -> Decoder:
    """Load the base and make everything ready for the first reply."""
    with torch.inference_mode():
        decoder = Decoder(load_base(config, cache_dir), config)
        decoder.warm_up()
    return decoder
