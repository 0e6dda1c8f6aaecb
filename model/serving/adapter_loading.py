"""Brings adapters into the worker's bank: read and validated beside the replies, written between two steps."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

from model.adapter.bank import AdapterBank, Turn
from model.adapter.files import BaseIdentity, read_adapter
from model.adapter.slots import StagedAdapter
from model.base.memory import memory_watched
from model.errors import AdapterMismatch, EngineClosed
from model.protocol import AdapterRef
from model.serving.decoder import Decoder
from model.serving.worker import Worker

__all__ = ["AdapterLoading"]

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class AdapterLoading:
    """Adapters for one base, on one device.

    Args:
        identity: what adapters are checked against.
        shapes: module path -> (inputs, outputs) of everything an adapter may touch.
        device: its name, for errors.
    """

    def __init__(self, identity: BaseIdentity, shapes: Mapping[str, tuple[int, int]], device: str) -> None:
        self._identity, self._shapes, self._device = identity, dict(shapes), device

    async def bring(
        self,
        worker: Worker,
        adapter: AdapterRef | None,
        then: Callable[[float, float], _Result],
        *,
        replacing: bool,
    ) -> _Result:
        """Have an adapter (None: the bare base) in the bank, and call `then` with the bank locked.

        Args:
            worker: whose bank and decoder.
            adapter: read only if the bank does not hold it.
            then: gets the times at which the adapter was read and its turn had come.
            replacing: whether it may take the place of the one in use, if no other is free.

        Raises AdapterMismatch, BankFull, OutOfMemory or EngineFailed.
        """
        staged = await asyncio.to_thread(self._stage, worker, adapter)
        loaded = time.perf_counter()

        def turn() -> Turn:
            absent = adapter is not None and worker.bank.find(adapter) is None
            if worker.decoder is not None and absent and (staged is None or worker.decoder.grows(staged)):
                return Turn.AFTER_REPLIES  # one that went, or came to be needed, since it was looked for is read then
            return worker.bank.turn(adapter, replacing=replacing)

        def bring() -> _Result:
            arrived = time.perf_counter()
            if adapter is not None and worker.bank.find(adapter) is None:
                self._put(worker, adapter, staged, replacing=replacing)
            with worker.lock:
                return then(loaded, arrived)

        result: _Result = await worker.between_steps(bring, turn)
        return result

    def write(self, decoder: Decoder, slot: int, adapter: AdapterRef, staged: StagedAdapter | None = None) -> None:
        """Put an adapter in a slot that no reply reads; one that was not staged yet is staged now."""
        staged = staged or self._staged_for(decoder, adapter)
        if staged is None:
            raise EngineClosed
        decoder.write_adapter(slot, staged)

    def put_back(self, worker: Worker, before: AdapterBank) -> None:
        """Let a worker that was not started have the adapters of another's bank; the log names one that is bad.

        Raises ModelError when memory runs out.
        """
        for adapter in before.kept:
            if self._held(worker, adapter):
                worker.bank.keep(adapter)
        if (used := before.in_use) is not None and self._held(worker, used):
            worker.bank.use(used)

    def _held(self, worker: Worker, adapter: AdapterRef) -> bool:
        """Whether a worker's bank has an adapter, which is read if it has not."""
        try:
            if worker.bank.find(adapter) is None:
                with torch.inference_mode():
                    self._put(worker, adapter, None, replacing=False)
        except AdapterMismatch as error:
            log.error("%s", error)  # noqa: TRY400 - a sentence; where it was raised says nothing more
            return False
        return True

    def _put(self, worker: Worker, adapter: AdapterRef, staged: StagedAdapter | None, *, replacing: bool) -> None:
        """Write an adapter to the next slot. Only commands change the bank's slots, so none does meanwhile."""
        with worker.lock:
            slot = worker.bank.place(replacing=replacing)
        if worker.decoder is not None:
            self.write(worker.decoder, slot, adapter, staged)
        with worker.lock:
            worker.bank.put(slot, adapter)

    def _stage(self, worker: Worker, adapter: AdapterRef | None) -> StagedAdapter | None:
        """Read, validate and bring to the device; None if it is there, or the engine sleeps and waking does it all."""
        with worker.lock:
            decoder, there = worker.decoder, adapter is None or worker.bank.find(adapter) is not None
        return None if adapter is None or there else self._staged_for(decoder, adapter)

    def _staged_for(self, decoder: Decoder | None, adapter: AdapterRef) -> StagedAdapter | None:
        with memory_watched("reading an adapter", self._device), torch.inference_mode():
            weights = read_adapter(adapter.path, self._identity, self._shapes)
            return decoder.slots.stage(weights) if decoder is not None else None
