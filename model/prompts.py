"""Short prompts on a GPU, read in captured passes of a fixed size: launching each kernel by itself takes far longer.

Knows the lean step and the cache; which row is whose is the decoder's.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from model.graphs import StepGraphs
from model.lean import LeanStep
from model.slots import SlotCache

__all__ = ["SHORT", "ShortPrompts"]

SHORT = 160  # tokens up to which captured passes are quicker than one pass of larger products


class ShortPrompts:
    """Passes of `size` tokens over one row of the cache."""

    def __init__(self, lean: LeanStep, graphs: StepGraphs, size: int, cache: SlotCache) -> None:
        self._lean, self._graphs, self._size, self._length = lean, graphs, size, cache.length
        self._asked = torch.zeros(4, size, dtype=torch.int64, device=cache.device)  # tokens, positions, owners, last
        self._logits = torch.empty(0, device=cache.device)

    def capture(self) -> None:
        self._pass()
        self._graphs.capture("prompt", self._pass)

    def read(self, row: int, tokens: Sequence[int], start: int) -> torch.Tensor:
        """Logits [1, vocabulary] after `tokens` of `row` from position `start`."""
        for first in range(0, len(tokens), self._size):
            part = list(tokens[first : first + self._size])
            at, padding = start + first, self._size - len(part)
            places = [min(place, self._length - 1) for place in range(at, at + self._size)]
            rows = [part + [0] * padding, places, [row] * self._size, [len(part) - 1] * self._size]
            self._asked.copy_(torch.tensor(rows))
            self._graphs.run("prompt", self._pass)
        return self._logits

    def _pass(self) -> None:
        tokens, positions, owners, last = self._asked
        logits = self._lean.read(tokens, positions, owners, last[:1])
        if self._logits.shape != logits.shape:
            self._logits = torch.empty_like(logits)
        self._logits.copy_(logits)
