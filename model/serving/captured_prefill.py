"""Prefill on a GPU in captured passes of a few fixed sizes: launching each kernel by itself takes far longer.

Each size's time is measured once, on the card at hand; a prompt is then cut into the passes that take least together.
Knows the fused step and the cache; which row is whose is the decoder's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import torch

from model.adapter.slots import RowSlots
from model.cache.kv_cache import SlotCache
from model.fused.decode_step import FusedStep
from model.serving.cuda_graphs import CudaGraphs

__all__ = ["CapturedPrefill", "plan_passes"]

_LONGEST_S = 0.05  # of one pass: replies in progress wait for no longer
_TIMED = 3  # runs of each pass, of which the fastest counts


def plan_passes(tokens: int, seconds: Mapping[int, float]) -> list[int]:
    """The sizes of the passes that read `tokens` in the least time, the largest first.

    Args:
        tokens: how many are to be read.
        seconds: what a pass of each size takes, full or not.
    """
    smallest = min(seconds)
    best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]  # by tokens, in units of the smallest size
    for units in range(1, -(-tokens // smallest) + 1):
        best.append(
            min(
                (cost + best[max(0, units - size // smallest)][0], (size, *best[max(0, units - size // smallest)][1]))
                for size, cost in seconds.items()
            )
        )
    return sorted(best[-1][1], reverse=True)


class CapturedPrefill:
    """Passes of fixed `sizes` (multiples of the smallest) over one row of the cache.

    `longest` is the largest pass that other rows can wait for. Every token reads the slot in `slots`, as many as the
    smallest size.
    """

    def __init__(
        self, fused: FusedStep, graphs: CudaGraphs, sizes: Sequence[int], cache: SlotCache, slots: RowSlots
    ) -> None:
        self._fused, self._graphs, self._cache, self._length = fused, graphs, cache, cache.length
        self._slots = slots
        # By size: tokens, positions, owners, and which token's logits are wanted.
        self._asked = {
            size: torch.zeros(4, size, dtype=torch.int64, device=cache.device)
            for size in sizes
            if size <= cache.length or size == min(sizes)
        }
        self._logits = torch.empty(0, device=cache.device)
        self._seconds = dict.fromkeys(self._asked, 0.0)

    @property
    def longest(self) -> int:
        """Tokens of the largest pass that takes no longer than a reply may be held up."""
        return max(
            size for size, seconds in self._seconds.items() if seconds <= _LONGEST_S or size == min(self._seconds)
        )

    def capture(self) -> None:
        """Capture and time a pass of each size. They write over row 0: do this while no row is in use."""
        for size in self._asked:
            self._run(size)
            self._graphs.capture(("prompt", size), lambda: self._pass(size))  # noqa: B023 - run now
            self._seconds[size] = min(self._timed(size) for _ in range(_TIMED))

    def read(self, row: int, tokens: Sequence[int], start: int) -> torch.Tensor:
        """Logits [1, vocabulary] after `tokens` of `row` from position `start`."""
        for size in plan_passes(len(tokens), self._seconds):
            part, tokens = list(tokens[:size]), tokens[size:]
            padding = size - len(part)
            # What stands after the last token is padding: it is written over before anything sees it.
            places = [min(place, self._length - 1) for place in range(start, start + size)]
            rows = [part + [0] * padding, places, [self._cache.owner(row)] * size, [len(part) - 1] * size]
            self._asked[size].copy_(torch.tensor(rows))
            self._run(size)
            start += len(part)
        return self._logits

    def _run(self, size: int) -> None:
        self._graphs.run(("prompt", size), lambda: self._pass(size))

    def _timed(self, size: int) -> float:
        self._asked[size][1] = torch.arange(size, device=self._asked[size].device).clamp_(max=self._length - 1)
        torch.cuda.synchronize()
        began = time.perf_counter()
        self._run(size)
        torch.cuda.synchronize()
        return time.perf_counter() - began

    def _pass(self, size: int) -> None:
        tokens, positions, owners, last = self._asked[size]
        logits = self._fused.read(tokens, positions, owners, last[:1], self._slots)
        if self._logits.shape != logits.shape:
            self._logits = torch.empty_like(logits)
        self._logits.copy_(logits)
