"""The engine: one worker thread owns the model and answers many conversations at once; asyncio on the outside.

The worker alternates between one bounded chunk of a waiting prompt and one decode step for every conversation being
answered, so a long prompt delays nobody for long. A swap waits until the replies in flight are finished (new ones
queue): every reply is made by one adapter. This file knows requests and threads; tensors are the decoder's.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import os
import random
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from model.adapter_files import BaseIdentity, read_adapter
from model.base import load_base
from model.chat import Message, encode_prompt, end_of_turn_id
from model.config import ModelConfig
from model.decoder import Decoder
from model.errors import ContextTooLong, EngineClosed, GenerationFailed, ModelError
from model.lora import StagedAdapter
from model.protocol import DEFAULT_SAMPLING, AdapterRef, Completion, EngineStats, FinishReason, Sampling, SwapReport
from model.queue import FairQueue
from model.text import TextStream

__all__ = ["Engine", "Generation"]

log = logging.getLogger(__name__)

_MIN_ANSWER = 16  # tokens of room a prompt must leave
_RATE_WINDOW_S = 10.0


class Generation:
    """One reply in the making. Iterate it for pieces of text, or `wait()` for the whole."""

    def __init__(self, engine: Engine, prompt: list[int], sampling: Sampling, channel: str) -> None:
        self.prompt, self.sampling, self.channel = prompt, sampling, channel
        self.cancelled = False
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._result: asyncio.Future[Completion] = self._loop.create_future()
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
        self._engine.notify(self)

    @property
    def place(self) -> int:
        """0 once it is being answered, else its place in the queue, from 1."""
        return self._engine.place(self)

    def emit(self, piece: str) -> None:
        """Called by the worker thread."""
        self._post(lambda: self._pieces.put_nowait(piece))

    def finish(self, result: Completion | ModelError) -> None:
        """Called by the worker thread, once."""
        self._post(lambda: self._settle(result))

    def _settle(self, result: Completion | ModelError) -> None:
        self._pieces.put_nowait(None)
        if self._result.done():
            return
        if isinstance(result, ModelError):
            self._result.set_exception(result)
        else:
            self._result.set_result(result)

    def _post(self, action: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(action)
        except RuntimeError:  # the asking loop is gone, and with it whoever asked
            self.cancelled = True


@dataclass
class _Row:
    """A conversation being answered, as the worker keeps it."""

    generation: Generation
    stream: TextStream
    adapter: str | None
    limit: int
    submitted: float
    prefilled: int = 0
    produced: int = 0
    first_token_s: float = 0.0


@dataclass
class _Command:
    """Something the worker does once no reply is in flight."""

    run: Callable[[], Any]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Engine:
    """Answers conversations on one device with one adapter at a time. Create it with `await Engine.start(...)`."""

    def __init__(self, config: ModelConfig, cache_dir: Path) -> None:
        self._config, self._cache_dir = config, cache_dir
        self._lock = threading.Condition()
        self._waiting: FairQueue[tuple[Generation, float]] = FairQueue(config.max_queue)
        self._entries: dict[Generation, tuple[Generation, float]] = {}
        self._commands: deque[_Command] = deque()
        self._rows: list[_Row] = []  # decoding rows first; at most one prefilling row, last
        self._closed = False
        self._decoder: Decoder | None = None
        self._adapter: AdapterRef | None = None
        self._last_swap: SwapReport | None = None
        self._produced: deque[tuple[float, int]] = deque()
        self._thread = threading.Thread(target=self._work, name="nightshift-engine", daemon=True)

    @classmethod
    async def start(cls, config: ModelConfig, cache_dir: Path, adapter: AdapterRef | None = None) -> Engine:
        """Load the base and `adapter`, and begin to answer. Raises BaseNotFound, DoesNotFit or AdapterMismatch."""
        engine = cls(config, cache_dir)
        engine._adopt(await asyncio.to_thread(_make_decoder, config, cache_dir))
        engine._thread.start()
        if adapter is not None:
            try:
                await engine.swap(adapter)
            except BaseException:
                await engine.close()
                raise
        return engine

    def _adopt(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._identity: BaseIdentity = decoder.identity
        self._shapes = decoder.slot.shapes
        self._encoder = decoder.base.tokenizer
        # The worker decodes with a copy: a fast tokenizer that two threads use at once fails with "Already borrowed".
        self._tokenizer = copy.deepcopy(decoder.base.tokenizer)
        self._end = end_of_turn_id(self._encoder)
        self._context, self._slots, self._device = decoder.context, decoder.rows, str(decoder.device)
        ends = decoder.base.model.generation_config.eos_token_id
        self._stops = {self._end, *(ends if isinstance(ends, list) else [ends] if ends is not None else [])}

    # What callers see, from any thread

    @property
    def adapter(self) -> str | None:
        """Id of the adapter in use; None is the bare base."""
        return self._adapter.id if self._adapter else None

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
        return len(encode_prompt(self._encoder, messages))

    def submit(
        self, messages: Sequence[Message], sampling: Sampling = DEFAULT_SAMPLING, *, channel: str = ""
    ) -> Generation:
        """Queue a conversation for its next reply; call it inside a running event loop.

        Raises QueueFull, ContextTooLong or EngineClosed at once.
        """
        prompt = encode_prompt(self._encoder, messages)
        if len(prompt) + _MIN_ANSWER > self._context:
            raise ContextTooLong(len(prompt), self._context)
        generation = Generation(self, prompt, sampling, channel)
        with self._lock:
            if self._closed:
                raise EngineClosed
            entry = (generation, time.perf_counter())
            self._waiting.push(channel, entry)
            self._entries[generation] = entry
            self._lock.notify()
        return generation

    def place(self, generation: Generation) -> int:
        """The generation's place in the queue, from 1; 0 when it is not waiting."""
        with self._lock:
            entry = self._entries.get(generation)
            return self._waiting.place(entry, self._busy()) if entry else 0

    def notify(self, generation: Generation) -> None:
        """Look at a cancelled generation now: one still in the queue ends at once."""
        with self._lock:
            entry = self._entries.get(generation)
            waiting = entry is not None and self._waiting.remove(entry)
            if waiting:
                del self._entries[generation]
            self._lock.notify()
        if waiting and entry is not None:
            seconds = time.perf_counter() - entry[1]
            generation.finish(Completion("", "cancelled", self.adapter, len(generation.prompt), 0, seconds, seconds))

    def stats(self) -> EngineStats:
        """What the engine is doing right now."""
        decoder = self._decoder
        with self._lock:
            active, queued = len(self._rows), len(self._waiting)
            since = time.perf_counter() - _RATE_WINDOW_S
            rate = sum(count for at, count in self._produced if at >= since) / _RATE_WINDOW_S
        return EngineStats(
            base_model=self.base_id,
            adapter=self.adapter,
            device=self._device,
            slots=self._slots,
            active=active,
            queued=queued,
            tokens_per_second=rate,
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
        report: SwapReport = await self._command(lambda: self._swap_now(adapter, staged, began, loaded))
        return report

    async def sleep(self) -> None:
        """Finish the replies in flight and release the model's memory; requests queue until `wake`."""
        await self._command(self._release)

    async def wake(self) -> None:
        """Load the model again, with the adapter it had, and answer what queued meanwhile."""
        await self._command(self._restore)

    async def close(self) -> None:
        """Stop: what is in flight or waiting ends as cancelled. Safe to call twice."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _stage(self, adapter: AdapterRef | None) -> StagedAdapter | None:
        """Read, validate and bring to the device; None while the engine sleeps, when waking does all that."""
        weights = read_adapter(adapter.path, self._identity, self._shapes) if adapter else None
        decoder = self._decoder
        with torch.inference_mode():
            return decoder.slot.stage(weights) if decoder is not None else None

    async def _command(self, run: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        with self._lock:
            if self._closed:
                raise EngineClosed
            self._commands.append(_Command(run, done, loop))
            self._lock.notify()
        return await done

    # The worker thread

    def _work(self) -> None:
        if self._device == "cpu":
            _leave_a_core()
        with torch.inference_mode():
            while True:
                with self._lock:
                    while not (self._closed or self._rows or self._commands or self._answerable()):
                        self._lock.wait()
                    if self._closed:
                        break
                    command = self._commands.popleft() if self._commands and not self._rows else None
                if command is not None:
                    self._execute(command)
                    continue
                self._admit()
                self._drop_cancelled()
                self._prefill_some()
                self._decode_one()
        self._end_everything()

    def _answerable(self) -> bool:
        return self._decoder is not None and len(self._waiting) > 0

    def _busy(self) -> list[str]:
        return [row.generation.channel for row in self._rows]

    def _admit(self) -> None:
        """Take the next waiting request into a free row, unless a command waits for the rows to empty."""
        with self._lock:
            blocked = self._commands or self._decoder is None or len(self._rows) >= self._slots
            if blocked or (self._rows and self._prefilling(self._rows[-1])):
                return
            entry = self._waiting.pop(self._busy())
            if entry is None:
                return
            generation, submitted = entry
            del self._entries[generation]
            limit = min(generation.sampling.max_new_tokens, self._context - len(generation.prompt))
            stream = TextStream(self._tokenizer, generation.sampling.stop)
            row = _Row(generation, stream, self.adapter, limit, submitted)
            self._rows.append(row)
        seed = generation.sampling.seed if generation.sampling.seed is not None else random.getrandbits(31)
        row.prefilled = self._must_decoder().begin(len(self._rows) - 1, generation.prompt, generation.sampling, seed)

    def _prefilling(self, row: _Row) -> bool:
        return row.prefilled < len(row.generation.prompt)

    def _prefill_some(self) -> None:
        if not self._rows or not self._prefilling(self._rows[-1]):
            return
        index, row = len(self._rows) - 1, self._rows[-1]
        decoder, prompt = self._must_decoder(), row.generation.prompt
        chunk = prompt[row.prefilled : row.prefilled + decoder.chunk]
        last = row.prefilled + len(chunk) == len(prompt)
        try:
            token = decoder.prefill(index, chunk, row.prefilled, last=last)
        except Exception as error:
            log.exception("Prefill failed")
            self._finish(index, GenerationFailed(type(error).__name__))
            return
        row.prefilled += len(chunk)
        if token is not None:
            row.first_token_s = time.perf_counter() - row.submitted
            self._take(index, token)

    def _decode_one(self) -> None:
        count = len(self._rows) - (1 if self._rows and self._prefilling(self._rows[-1]) else 0)
        if count == 0:
            return
        try:
            tokens = self._must_decoder().decode(count)
        except Exception as error:
            log.exception("A decode step failed")
            for index in reversed(range(count)):
                self._finish(index, GenerationFailed(type(error).__name__))
            return
        with self._lock:
            now = time.perf_counter()
            self._produced.append((now, count))
            while self._produced and self._produced[0][0] < now - _RATE_WINDOW_S:
                self._produced.popleft()
        for index in reversed(range(count)):
            self._take(index, tokens[index])

    def _take(self, index: int, token: int) -> None:
        """Give a row its next token, and end the row if that was the last."""
        row = self._rows[index]
        row.produced += 1
        ended = token in self._stops
        if not ended and (piece := row.stream.push(token)):
            row.generation.emit(piece)
        if ended or row.stream.stopped:
            self._complete(index, "stop")
        elif row.produced >= row.limit:
            self._complete(index, "length")

    def _drop_cancelled(self) -> None:
        for index in reversed(range(len(self._rows))):
            if self._rows[index].generation.cancelled:
                self._complete(index, "cancelled")

    def _complete(self, index: int, reason: FinishReason) -> None:
        row = self._rows[index]
        if piece := row.stream.flush():
            row.generation.emit(piece)
        self._finish(
            index,
            Completion(
                text=row.stream.text.strip(),
                finish_reason=reason,
                adapter=row.adapter,
                prompt_tokens=len(row.generation.prompt),
                completion_tokens=row.produced,
                first_token_s=row.first_token_s,
                seconds=time.perf_counter() - row.submitted,
            ),
        )

    def _finish(self, index: int, result: Completion | ModelError) -> None:
        """End a row and close the gap: decoding rows stay first, a prefilling row last."""
        row = self._rows[index]
        decoding = len(self._rows) - (1 if self._prefilling(self._rows[-1]) else 0)
        if self._decoder is not None:
            for gap, filler in ((index, decoding - 1), (decoding - 1, len(self._rows) - 1)):
                if 0 <= gap < filler and index < decoding:
                    self._decoder.move(filler, gap)
                    self._rows[gap] = self._rows[filler]
        with self._lock:
            self._rows.pop()
        row.generation.finish(result)

    def _execute(self, command: _Command) -> None:
        try:
            result = command.run()
        except Exception as error:  # noqa: BLE001 - handed to whoever gave the command
            self._answer(command, error=error)
        else:
            self._answer(command, result=result)

    def _answer(self, command: _Command, result: Any = None, error: Exception | None = None) -> None:
        def settle() -> None:
            if command.done.done():
                return
            if error is None:
                command.done.set_result(result)
            else:
                command.done.set_exception(error)

        command.loop.call_soon_threadsafe(settle)

    def _swap_now(
        self, adapter: AdapterRef | None, staged: StagedAdapter | None, began: float, loaded: float
    ) -> SwapReport:
        barrier = time.perf_counter()
        if self._decoder is not None:
            self._decoder.write_adapter(staged or self._must_stage(adapter))
            if self._decoder.device.type == "cuda":
                torch.cuda.synchronize(self._decoder.device)
        self._adapter = adapter
        paused = time.perf_counter()
        self._last_swap = SwapReport(self.adapter, loaded - began, barrier - loaded, paused - barrier)
        return self._last_swap

    def _release(self) -> None:
        self._decoder = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _restore(self) -> None:
        if self._decoder is None:
            self._adopt(_make_decoder(self._config, self._cache_dir))
            self._must_decoder().write_adapter(self._must_stage(self._adapter))

    def _must_stage(self, adapter: AdapterRef | None) -> StagedAdapter:
        staged = self._stage(adapter)
        if staged is None:
            raise EngineClosed
        return staged

    def _must_decoder(self) -> Decoder:
        if self._decoder is None:
            raise EngineClosed
        return self._decoder

    def _end_everything(self) -> None:
        for index in reversed(range(len(self._rows))):
            self._complete(index, "cancelled")
        with self._lock:
            waiting, commands = self._waiting.drain(), list(self._commands)
            self._entries.clear()
            self._commands.clear()
        for generation, _ in waiting:
            generation.finish(EngineClosed())
        for command in commands:
            command.loop.call_soon_threadsafe(command.done.cancel)
        self._decoder = None


def _make_decoder(config: ModelConfig, cache_dir: Path) -> Decoder:
    """Load the base and make everything ready for the first reply."""
    with torch.inference_mode():
        decoder = Decoder(load_base(config, cache_dir), config)
        decoder.warm_up()
    return decoder


def _leave_a_core() -> None:
    """Compute on all cores but one, which the event loop needs for every token.

    Measured on 2 cores, 8 conversations: 117 tokens/s on one against 51 on both, where each product waits for a thread
    that the event loop has pushed aside.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(min(torch.get_num_threads(), max(1, cores - 1)))
