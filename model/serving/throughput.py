"""Tokens per second over the last seconds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

__all__ = ["Throughput"]

_WINDOW_S = 10.0


class Throughput:
    """Counts tokens. One thread adds, any thread may ask."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._produced: deque[tuple[float, int]] = deque()

    def add(self, tokens: int) -> None:
        """Count the tokens of a step."""
        now = self._clock()
        self._produced.append((now, tokens))
        while self._produced[0][0] < now - _WINDOW_S:
            self._produced.popleft()

    def per_second(self) -> float:
        """What all replies together gained lately."""
        since = self._clock() - _WINDOW_S
        return sum(count for at, count in self._produced.copy() if at >= since) / _WINDOW_S
