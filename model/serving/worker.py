"""The thread that owns the decoder: it takes requests from the queue into rows, decodes them, and hands text out.

It alternates between one bounded chunk of a waiting prompt and one decode step for every row, so a long prompt delays
nobody for long. On a GPU the next step is launched before the last one's tokens are looked at: a reply that turns out
to have ended wastes its row of one step, and the device never waits for the host. What must not meet a reply in the
making (a swap, sleep) is done between two replies, when no row is in use. An error that it cannot go on after ends
everything with a sentence: whatever was asked of it is answered. Knows requests and rows; tensors are the decoder's,
files and validation the engine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import math
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Any

import torch

from model.chat import end_of_turn_id
from model.errors import EngineClosed, EngineFailed, GenerationFailed, ModelError
from model.protocol import Completion, FinishReason
from model.serving.decoder import Decoder, SampledToken
from model.serving.detokenize import TextStream
from model.serving.generation import Generation, Outbox
from model.serving.health import Health
from model.serving.queue import FairQueue

__all__ = ["Worker"]

log = logging.getLogger(__name__)

_RATE_WINDOW_S = 10.0
_CLOSE_S = 60.0  # a step, or the loading of a base, that takes longer is left behind
_LOOK_S = 15.0  # between two looks whether the thread is stuck, while somebody waits for it


@dataclass(eq=False)
class _Row:
    """A conversation being answered. `last` is its newest token; `probability_sum` the sum of what each was worth."""

    generation: Generation
    stream: TextStream
    adapter: str | None
    limit: int
    submitted: float
    prefilled: int = 0
    produced: int = 0
    last: int = 0
    probability_sum: float = 0.0
    first_token_s: float = 0.0
    ended: bool = False

    @property
    def prefilling(self) -> bool:
        return self.prefilled < len(self.generation.prompt)


@dataclass
class _Command:
    """Something to do on the worker's thread once no reply is being generated."""

    run: Callable[[], Any]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop

    def resolve(self, result: Any = None, error: Exception | None = None) -> None:
        def tell() -> None:
            if self.done.done():
                return
            if error is None:
                self.done.set_result(result)
            else:
                self.done.set_exception(error)

        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it whoever waited
            self.loop.call_soon_threadsafe(tell)


class Worker:
    """Answers what is submitted, from `start` to `stop`.

    Attributes:
        decoder: None while the engine sleeps: requests queue.
        adapter: id of the adapter in the decoder's slot. Both are changed in commands only.
        failure: why the thread ended by itself; None while it works.
        failed: done, with `failure`, when the thread has ended by itself.
    """

    def __init__(self, decoder: Decoder, max_queue: int) -> None:
        self.decoder: Decoder | None = decoder
        self.adapter: str | None = None
        self.failure: EngineFailed | None = None
        self.failed: Future[EngineFailed] = Future()
        self._health = Health()
        # Decoding uses a copy: a fast tokenizer that two threads use at once fails with "Already borrowed".
        self._tokenizer = copy.deepcopy(decoder.base.tokenizer)
        ends = decoder.base.model.generation_config.eos_token_id
        self._stops = {end_of_turn_id(decoder.base.tokenizer), *(ends if isinstance(ends, list) else [ends])}
        self._lock = threading.Condition()
        self._waiting: FairQueue[tuple[Generation, float]] = FairQueue(max_queue)
        self._entries: dict[Generation, tuple[Generation, float]] = {}
        self._commands: deque[_Command] = deque()
        self._rows: list[_Row] = []  # decoding rows first; at most one prefilling row, last
        self._in_flight: list[_Row] | None = None  # the rows of a step that was launched and not collected
        self._outbox = Outbox()
        self._closed = False
        self._produced: deque[tuple[float, int]] = deque()
        self._thread = threading.Thread(
            target=self._work, args=(decoder.device.type == "cpu",), name="nightshift-engine", daemon=True
        )

    # What other threads may call

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End what is in flight or waiting as cancelled, and wait a while for the thread. Safe to call twice."""
        with self._lock:
            self._closed = True
            self._lock.notify()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            log.error("The engine's thread is stuck and is left behind")
            self._end_everything(EngineClosed())

    def check(self) -> None:
        """Raises EngineFailed when the thread has ended by itself, or is found stuck now."""
        if self.failure is None and self._health.stuck:
            self._fail_for_good(EngineFailed("a step does not end"))
        if self.failure is not None:
            raise self.failure

    def give_up(self, why: str) -> None:
        """End everything as failed, from outside the thread: whoever started it tried what there was to try."""
        self._fail_for_good(EngineFailed(why))

    def submit(self, generation: Generation) -> None:
        """Queue a reply. Raises QueueFull, EngineClosed or EngineFailed at once."""
        self.check()
        with self._lock:
            self._refuse_if_ended()
            entry = (generation, time.perf_counter())
            self._waiting.push(generation.channel, entry)
            self._entries[generation] = entry
            self._lock.notify()

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

    async def between_replies(self, run: Callable[[], Any]) -> Any:
        """Call `run` on the worker's thread once the replies in flight are finished; new ones queue meanwhile.

        Raises what `run` raises if that is a ModelError; anything else ends the engine, for what it leaves is unknown.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self.check()
        with self._lock:
            self._refuse_if_ended()
            self._commands.append(_Command(run, done, loop))
            self._lock.notify()
        while not (await asyncio.wait([done], timeout=_LOOK_S))[0]:
            self.check()
        return await done

    def _refuse_if_ended(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._closed:
            raise EngineClosed

    def load(self) -> tuple[int, int]:
        """How many replies are in the making, and how many wait."""
        with self._lock:
            return len(self._rows), len(self._waiting)

    def tokens_per_second(self) -> float:
        """What all replies together gained lately."""
        with self._lock:
            since = time.perf_counter() - _RATE_WINDOW_S
            return sum(count for at, count in self._produced if at >= since) / _RATE_WINDOW_S

    # The thread

    def _work(self, on_cpu: bool) -> None:
        try:
            if on_cpu:
                _leave_a_core()
            with torch.inference_mode():
                while self._work_once():
                    self._outbox.send()
        except BaseException as error:
            log.critical("The engine stopped after an error", exc_info=error)
            self._fail_for_good(EngineFailed(type(error).__name__))
        else:
            self._end_everything(EngineClosed())

    def _work_once(self) -> bool:
        """Do what is next, or wait for it; false when the engine is closed."""
        with self._lock:
            while not (self._ended or self._rows or self._commands or self._answerable()):
                self._lock.wait()
            if self._ended:
                return False
            command = self._commands.popleft() if self._commands and not self._rows else None
        if command is not None:
            self._run(command)
        elif (decoder := self.decoder) is not None:
            self._health.began()
            self._admit(decoder)
            self._drop_cancelled(decoder)
            self._prefill_some(decoder)
            self._decode_some(decoder)
            self._health.ended()
        return True

    @property
    def _ended(self) -> bool:
        return self._closed or self.failure is not None

    def _answerable(self) -> bool:
        return self.decoder is not None and len(self._waiting) > 0

    def _busy(self) -> list[str]:
        return [row.generation.channel for row in self._rows]

    def _run(self, command: _Command) -> None:
        self._in_flight = None  # of rows that have all ended
        try:
            result = command.run()
        except ModelError as error:
            command.resolve(error=error)
        except BaseException as error:
            command.resolve(error=EngineFailed(type(error).__name__))
            raise
        else:
            command.resolve(result)

    def _admit(self, decoder: Decoder) -> None:
        """Take the next waiting request into a free row, unless an command waits for the rows to empty."""
        with self._lock:
            if self._commands or len(self._rows) >= decoder.rows or (self._rows and self._rows[-1].prefilling):
                return
            entry = self._waiting.pop(self._busy())
            if entry is None:
                return
            generation, submitted = entry
            del self._entries[generation]
            limit = min(generation.sampling.max_new_tokens, decoder.context - len(generation.prompt))
            stream = TextStream(self._tokenizer, generation.sampling.stop)
            row = _Row(generation, stream, self.adapter, limit, submitted)
            self._rows.append(row)
        seed = generation.sampling.seed if generation.sampling.seed is not None else random.getrandbits(31)
        index = len(self._rows) - 1
        try:
            row.prefilled = decoder.begin(index, generation.prompt, generation.sampling, seed)
        except Exception as error:  # noqa: BLE001 - told to the asker and logged
            self._fail(decoder, "begin", [row], error)
        else:
            self._health.went_well("begin")

    def _prefill_some(self, decoder: Decoder) -> None:
        if not self._rows or not self._rows[-1].prefilling:
            return
        index, row = len(self._rows) - 1, self._rows[-1]
        prompt = row.generation.prompt
        chunk = prompt[row.prefilled : row.prefilled + decoder.chunk]
        last = row.prefilled + len(chunk) == len(prompt)
        try:
            sampled = decoder.prefill(index, chunk, row.prefilled, last=last)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(decoder, "prefill", [row], error)
            return
        self._health.went_well("prefill")
        row.prefilled += len(chunk)
        if sampled is not None:
            row.first_token_s = time.perf_counter() - row.submitted
            row.last = sampled.token
            self._take(decoder, row, sampled)

    def _decode_some(self, decoder: Decoder) -> None:
        """Bring every decoding row one token further."""
        if self._in_flight is None and not self._launch(decoder):
            return
        rows, self._in_flight = self._in_flight or [], None
        try:
            tokens = decoder.collect()
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(decoder, "decode", rows, error)
            return
        self._health.went_well("decode")
        self._count(len(rows))
        for row, sampled in zip(rows, tokens, strict=True):
            row.last = sampled.token
        if decoder.ahead:
            self._launch(decoder)
        for row, sampled in zip(rows, tokens, strict=True):
            if not row.ended:
                self._take(decoder, row, sampled)

    def _launch(self, decoder: Decoder) -> bool:
        """Begin a step for the rows that decode; false if there is none, or it failed."""
        rows = [row for row in self._rows if not row.prefilling]
        if not rows:
            return False
        try:
            decoder.launch([row.last for row in rows])
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(decoder, "decode", rows, error)
            return False
        self._in_flight = rows
        return True

    def _fail(self, decoder: Decoder, step: str, rows: list[_Row], error: Exception) -> None:
        """End rows whose `step` failed. Raises `error` if nothing can go on after it."""
        log.error("A step of the model failed (%s)", step, exc_info=error)
        if self._health.is_fatal(step, error):
            raise error
        for row in rows:
            if not row.ended:
                self._finish(decoder, self._rows.index(row), GenerationFailed(type(error).__name__))

    def _count(self, tokens: int) -> None:
        with self._lock:
            now = time.perf_counter()
            self._produced.append((now, tokens))
            while self._produced[0][0] < now - _RATE_WINDOW_S:
                self._produced.popleft()

    def _take(self, decoder: Decoder, row: _Row, sampled: SampledToken) -> None:
        """Give a row its next token, and end the row if that was the last."""
        try:
            self._read(decoder, row, sampled)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(decoder, "read", [row], error)
        else:
            self._health.went_well("read")

    def _read(self, decoder: Decoder, row: _Row, sampled: SampledToken) -> None:
        if math.isnan(sampled.probability):  # weights that overflow say anything; nobody is to read it
            self._finish(decoder, self._rows.index(row), GenerationFailed("the model computes no numbers"))
            return
        row.produced += 1
        row.probability_sum += sampled.probability
        ended = sampled.token in self._stops
        if not ended and (piece := row.stream.push(sampled.token)):
            self._outbox.put(row.generation, piece)
        if ended or row.stream.stopped:
            self._complete(decoder, self._rows.index(row), "stop")
        elif row.produced >= row.limit:
            self._complete(decoder, self._rows.index(row), "length")

    def _drop_cancelled(self, decoder: Decoder) -> None:
        for index in reversed(range(len(self._rows))):
            if self._rows[index].generation.cancelled:
                self._complete(decoder, index, "cancelled")

    def _complete(self, decoder: Decoder, index: int, reason: FinishReason) -> None:
        row = self._rows[index]
        if piece := row.stream.flush():
            self._outbox.put(row.generation, piece)
        self._finish(decoder, index, self._completion(row, reason))

    def _completion(self, row: _Row, reason: FinishReason) -> Completion:
        return Completion(
            text=row.stream.text.strip(),
            finish_reason=reason,
            adapter=row.adapter,
            prompt_tokens=len(row.generation.prompt),
            completion_tokens=row.produced,
            first_token_s=row.first_token_s,
            seconds=time.perf_counter() - row.submitted,
            confidence=row.probability_sum / row.produced if row.produced else None,
        )

    def _finish(self, decoder: Decoder, index: int, result: Completion | ModelError) -> None:
        """End a row and close the gap: decoding rows stay first, a prefilling row last."""
        row = self._rows[index]
        decoding = len(self._rows) - (1 if self._rows[-1].prefilling else 0)
        for gap, filler in ((index, decoding - 1), (decoding - 1, len(self._rows) - 1)):
            if 0 <= gap < filler and index < decoding:
                decoder.move(filler, gap)
                self._rows[gap] = self._rows[filler]
        with self._lock:
            self._rows.pop()
        row.ended = True
        self._outbox.put(row.generation, result)

    def _fail_for_good(self, failure: EngineFailed) -> None:
        """Mark the engine as failed and tell everybody who waits for it."""
        with self._lock:
            if self.failure is not None:
                return
            self.failure = failure
            self._lock.notify()
        self._end_everything(failure)
        with contextlib.suppress(InvalidStateError):
            self.failed.set_result(failure)

    def _end_everything(self, why: ModelError) -> None:
        """Answer whatever is in the making or waits: as cancelled when the engine was closed, with `why` else."""
        with self._lock:
            rows, waiting, commands = list(self._rows), self._waiting.drain(), list(self._commands)
            self._rows.clear()
            self._entries.clear()
            self._commands.clear()
        self._outbox.send()
        outbox = Outbox()
        for row in rows:
            if row.ended:
                continue
            row.ended = True
            if isinstance(why, EngineFailed):
                outbox.put(row.generation, why)
                continue
            if piece := row.stream.flush():
                outbox.put(row.generation, piece)
            outbox.put(row.generation, self._completion(row, "cancelled"))
        for generation, _ in waiting:
            outbox.put(generation, why)
        outbox.send()
        for command in commands:
            command.resolve(error=why)
        self.decoder = None


def _leave_a_core() -> None:
    """Give torch all cores but one, which the event loop needs for every token.

    Measured on 2 cores, 8 conversations, without the compiled pass (which uses all cores): 117 tokens/s on
    one core against 51 on both. Another thread has loaded the model with OpenMP threads of its own; with more of them
    than cores in the process, OpenMP lets threads sleep between two products, and waking them takes longer than a
    product.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(min(torch.get_num_threads(), max(1, cores - 1)))
