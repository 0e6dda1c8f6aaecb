"""The thread that owns the decoder: a lock, a loop and an error boundary around the scheduler and its steps.

It alternates between one bounded chunk of a waiting prompt and one decode step for every row, so a long prompt delays
nobody for long. A swap runs between two steps: the rows in use keep their adapters. Sleep runs between two replies,
when no row is in use. After an error that no step survives, everything that was asked gets that error as its answer.
Which row is next is the scheduler's to decide, and tensors are the decoder's; files and validation are the engine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any

import torch

from model.adapter.bank import AdapterBank, Turn
from model.base.device import use_device
from model.chat import end_of_turn_id
from model.cores import cores
from model.errors import AdapterNotLoaded, EngineClosed, EngineFailed, ModelError
from model.protocol import IN_USE, Completion
from model.serving.command import Command
from model.serving.decoder import Decoder
from model.serving.detokenize import TextStream
from model.serving.generation import Generation, Outbox
from model.serving.health import Health
from model.serving.row import Row
from model.serving.scheduler import Scheduler, Waiting
from model.serving.steps import Steps

__all__ = ["Worker"]

log = logging.getLogger(__name__)

_CLOSE_S = 60.0  # a step, or the loading of a base, that takes longer is left behind
_LOOK_S = 15.0  # between two looks whether the thread is stuck, while somebody waits for it


class Worker:
    """Answers what is submitted, from `start` to `stop`.

    Attributes:
        decoder: None while the engine sleeps: requests queue.
        bank: which adapter is in which of the decoder's slots. Commands alone change both; `lock` guards the bank.
        failure: why the thread ended by itself; None while it works.
        failed: done, with `failure`, when the thread has ended by itself.
    """

    def __init__(self, decoder: Decoder, max_queue: int, adapter_slots: int) -> None:
        self.decoder: Decoder | None = decoder
        self.bank = AdapterBank(adapter_slots)
        self.lock = threading.Condition()
        self.failure: EngineFailed | None = None
        self.failed: Future[EngineFailed] = Future()
        self._health = Health()
        # Decoding uses a copy: a fast tokenizer that two threads use at once fails with "Already borrowed".
        self._tokenizer = copy.deepcopy(decoder.base.tokenizer)
        ends = decoder.base.model.generation_config.eos_token_id
        stops = {end_of_turn_id(decoder.base.tokenizer), *(ends if isinstance(ends, list) else [ends])}
        self._scheduler = Scheduler(max_queue)
        self._steps = Steps(self._scheduler, self.bank, self.lock, stops, self._health)
        self._commands: deque[Command] = deque()
        self._closed = False
        self._thread = threading.Thread(
            target=self._work, args=(decoder.device,), name="nightshift-engine", daemon=True
        )

    # What other threads may call

    @property
    def adapter(self) -> str | None:
        """Id of the adapter that new replies get; None is the bare base."""
        with self.lock:
            return held.id if (held := self.bank.in_use) else None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End running and waiting requests as cancelled, and wait a while for the thread. Safe to call twice."""
        with self.lock:
            self._closed = True
            self.lock.notify()
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

    def mark_failed(self, why: str) -> None:
        """End everything as failed, from outside the thread: the caller tried everything else."""
        self._fail_for_good(EngineFailed(why))

    def submit(self, generation: Generation) -> None:
        """Queue a reply. Raises QueueFull, AdapterNotLoaded, EngineClosed or EngineFailed at once."""
        self.check()
        with self.lock:
            self._refuse_if_ended()
            self.bank.slot_of(generation.adapter)
            self._scheduler.submit(generation, time.perf_counter())
            self.lock.notify()

    def position(self, generation: Generation) -> int:
        """The generation's position in the queue, from 1; 0 when it is not waiting."""
        with self.lock:
            return self._scheduler.position(generation)

    def notify(self, generation: Generation) -> None:
        """Look at a cancelled generation now: one still in the queue ends at once."""
        with self.lock:
            entry = self._scheduler.withdraw(generation)
            self.lock.notify()
        if entry is not None:
            seconds = time.perf_counter() - entry.submitted
            adapter = self.adapter if generation.adapter is IN_USE else generation.adapter
            generation.finish(Completion("", "cancelled", adapter, len(generation.prompt), 0, seconds, seconds))

    async def between_replies(self, run: Callable[[], Any]) -> Any:
        """Call `run` on the worker's thread once the running replies are finished; new ones queue meanwhile."""
        return await self.between_steps(run, lambda: Turn.AFTER_REPLIES)

    async def between_steps(self, run: Callable[[], Any], turn: Callable[[], Turn] = lambda: Turn.NOW) -> Any:
        """Call `run` on the worker's thread between two steps, as soon as its turn has come.

        One command runs after the other. Raises what `run` raises if that is a ModelError; anything else ends the
        engine, for what it leaves is unknown.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self.check()
        with self.lock:
            self._refuse_if_ended()
            self._commands.append(Command(run, turn, done, loop))
            self.lock.notify()
        while not (await asyncio.wait([done], timeout=_LOOK_S))[0]:
            self.check()
        return await done

    def _refuse_if_ended(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._closed:
            raise EngineClosed

    def load(self) -> tuple[int, int]:
        """How many replies are being generated, and how many requests wait."""
        with self.lock:
            return len(self._scheduler.rows), self._scheduler.queued

    def tokens_per_second(self) -> float:
        """What all replies together gained lately."""
        return self._steps.throughput.per_second()

    # The thread

    def _work(self, device: torch.device) -> None:
        try:
            use_device(device)
            if device.type == "cpu":
                _leave_a_core()
            with torch.inference_mode():
                while self._work_once():
                    self._steps.outbox.send()
        except BaseException as error:
            log.critical("The engine stopped after an error", exc_info=error)
            self._fail_for_good(EngineFailed(type(error).__name__))
        else:
            self._end_everything(EngineClosed())

    def _work_once(self) -> bool:
        """Do what is next, or wait for it; false when the engine is closed."""
        with self.lock:
            while not (self._ended or self._scheduler.rows or self._commands or self._answerable()):
                self.lock.wait()
            if self._ended:
                return False
            command = self._commands.popleft() if self._turn() is Turn.NOW else None
            idle = not self._scheduler.rows
        if command is not None:
            if idle:
                self._steps.forget_launched()
            command.execute()
        elif (decoder := self.decoder) is not None:
            self._health.began()
            self._admit(decoder)
            self._steps.advance(decoder)
            self._health.ended()
        return True

    @property
    def _ended(self) -> bool:
        return self._closed or self.failure is not None

    def _turn(self) -> Turn | None:
        """When the next command runs; None if there is none."""
        if not self._commands:
            return None
        return self._commands[0].turn() if self._scheduler.rows else Turn.NOW

    def _answerable(self) -> bool:
        return self.decoder is not None and self._scheduler.queued > 0

    def _admit(self, decoder: Decoder) -> None:
        """Start the next waiting request in a free row, unless a command waits for the rows to empty."""
        with self.lock:
            held_back = self._turn() is Turn.AFTER_REPLIES
            entry = None if held_back else self._scheduler.next_request(decoder.rows)
            if entry is None:
                return
            try:
                row = self._row(decoder, entry)
            except AdapterNotLoaded as error:  # it was unloaded meanwhile
                self._steps.outbox.put(entry.generation, error)
                return
            index = self._scheduler.start(row)
        self._steps.begin(decoder, row, index)

    def _row(self, decoder: Decoder, entry: Waiting) -> Row:
        """A row for the next request, whose adapter stays its own. Raises AdapterNotLoaded."""
        generation = entry.generation
        slot = self.bank.begin(generation.adapter)
        limit = min(generation.sampling.max_new_tokens, decoder.context - len(generation.prompt))
        stream = TextStream(self._tokenizer, generation.sampling.stop)
        return Row(generation, stream, self.bank.name(slot), limit, entry.submitted, slot)

    def _fail_for_good(self, failure: EngineFailed) -> None:
        """Mark the engine as failed and tell everybody who waits for it."""
        with self.lock:
            if self.failure is not None:
                return
            self.failure = failure
            self.lock.notify()
        self._end_everything(failure)
        with contextlib.suppress(InvalidStateError):
            self.failed.set_result(failure)

    def _end_everything(self, why: ModelError) -> None:
        """Answer every running and waiting request: as cancelled when the engine was closed, with `why` else."""
        with self.lock:
            (rows, waiting), commands = self._scheduler.drain(), list(self._commands)
            self._commands.clear()
        self._steps.outbox.send()
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
            outbox.put(row.generation, row.completion("cancelled"))
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
    torch.set_num_threads(min(torch.get_num_threads(), max(1, cores() - 1)))
