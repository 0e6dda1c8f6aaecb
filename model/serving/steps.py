"""The steps of the decoder for the scheduler's rows: prefill, decode, and what becomes of each new token.

On a GPU the next step is launched before the last one's tokens are looked at: a reply that turns out to have ended
wastes its row of one step, and the device never waits for the host. A step that fails ends the replies it was for.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Container
from contextlib import AbstractContextManager
from typing import Any

from model.adapter.bank import AdapterBank
from model.errors import GenerationFailed, ModelError
from model.protocol import Completion, FinishReason
from model.serving.decoder import Decoder
from model.serving.generation import Outbox
from model.serving.health import Health
from model.serving.readback import SampledToken
from model.serving.row import Row
from model.serving.scheduler import Scheduler
from model.serving.throughput import Throughput

__all__ = ["Steps"]

log = logging.getLogger(__name__)


class Steps:
    """Advances the rows of `scheduler`, on the worker's thread.

    `lock` guards the scheduler and the adapter bank against other threads.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        bank: AdapterBank,
        lock: AbstractContextManager[Any],
        stops: Container[int],
        health: Health,
    ) -> None:
        self._scheduler, self._bank, self._lock, self._stops, self._health = scheduler, bank, lock, stops, health
        self.outbox = Outbox()
        self.throughput = Throughput()
        self._in_flight: list[Row] | None = None  # the rows of a step that was launched and not collected

    def forget_launched(self) -> None:
        """Drop a launched step whose rows have all ended."""
        self._in_flight = None

    def begin(self, decoder: Decoder, row: Row, index: int) -> None:
        """Give the decoder's row `index` to a new request."""
        sampling = row.generation.sampling
        seed = sampling.seed if sampling.seed is not None else random.getrandbits(31)
        try:
            row.cached = decoder.begin(index, row.generation.prompt, sampling, seed, row.slot)
            row.prefilled = row.cached
        except Exception as error:  # noqa: BLE001 - told to the asker and logged
            self._fail(decoder, "begin", [row], error)
        else:
            self._health.went_well("begin")

    def advance(self, decoder: Decoder) -> None:
        """End cancelled rows, compute one prompt chunk, and bring every decoding row one token further."""
        for row in reversed(self._scheduler.rows.copy()):
            if row.generation.cancelled:
                self._complete(decoder, row, "cancelled")
        self._prefill(decoder)
        self._decode(decoder)

    def _prefill(self, decoder: Decoder) -> None:
        row = self._scheduler.prefilling
        if row is None:
            return
        prompt, index = row.generation.prompt, len(self._scheduler.rows) - 1
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
            self._accept(decoder, row, sampled)

    def _decode(self, decoder: Decoder) -> None:
        if self._in_flight is None and not self._launch(decoder):
            return
        rows, self._in_flight = self._in_flight or [], None
        try:
            tokens = decoder.collect()
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(decoder, "decode", rows, error)
            return
        self._health.went_well("decode")
        self.throughput.add(len(rows))
        for row, sampled in zip(rows, tokens, strict=True):
            row.last = sampled.token
        if decoder.ahead:
            self._launch(decoder)
        for row, sampled in zip(rows, tokens, strict=True):
            if not row.ended:
                self._accept(decoder, row, sampled)

    def _launch(self, decoder: Decoder) -> bool:
        """Begin a step for the rows that decode; false if there is none, or it failed."""
        rows = self._scheduler.decoding
        if not rows:
            return False
        try:
            decoder.launch([row.last for row in rows])
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(decoder, "decode", rows, error)
            return False
        self._in_flight = rows
        return True

    def _accept(self, decoder: Decoder, row: Row, sampled: SampledToken) -> None:
        """Give a row its next token, and end the row if that was the last."""
        try:
            self._read(decoder, row, sampled)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(decoder, "read", [row], error)
        else:
            self._health.went_well("read")

    def _read(self, decoder: Decoder, row: Row, sampled: SampledToken) -> None:
        if math.isnan(sampled.probability):  # weights that overflow say anything; nobody is to read it
            self._finish(decoder, row, GenerationFailed("the model computes no numbers"))
            return
        piece, reason = row.accept(sampled.token, sampled.probability, self._stops)
        if piece:
            self.outbox.put(row.generation, piece)
        if reason:
            self._complete(decoder, row, reason)

    def _complete(self, decoder: Decoder, row: Row, reason: FinishReason) -> None:
        if piece := row.stream.flush():
            self.outbox.put(row.generation, piece)
        self._finish(decoder, row, row.completion(reason))

    def _finish(self, decoder: Decoder, row: Row, result: Completion | ModelError) -> None:
        """End a row and close the gap."""
        if isinstance(result, ModelError):
            decoder.discard(self._scheduler.rows.index(row))
        for source, target in self._scheduler.moves(row):
            decoder.move(source, target)
        with self._lock:
            self._scheduler.remove(row)
            self._bank.end(row.slot)
        row.ended = True
        self.outbox.put(row.generation, result)

    def _fail(self, decoder: Decoder, step: str, rows: list[Row], error: Exception) -> None:
        """End rows whose `step` failed. Raises `error` if no later step can work."""
        log.error("A step of the model failed (%s)", step, exc_info=error)
        if self._health.is_fatal(step, error):
            raise error
        for row in rows:
            if not row.ended:
                self._finish(decoder, row, GenerationFailed(type(error).__name__))
