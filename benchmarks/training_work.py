"""What the arms of benchmarks/training.py train on, and their clocks. Of libraries it imports torch alone."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

WARM = 3 if torch.cuda.is_available() else 1  # steps before the clock starts
SEED = 1


@dataclass(frozen=True)
class Work:
    """What is trained on: `pairs` of these lengths in tokens, `batch` in a step, half of each labelled."""

    name: str
    lengths: tuple[int, ...]
    batch: int
    checkpointing: Literal["auto", "on", "off"] = "auto"
    ours_only: bool = False


def works(steps: int, *, on_gpu: bool) -> list[Work]:
    """Chat lengths (log-normal, mean about 145 tokens), and full ones."""
    chance = random.Random(SEED)
    batch = 16 if on_gpu else 4
    chat = tuple(
        min(1024, max(16, round(chance.lognormvariate(math.log(145) - 0.18, 0.6)))) for _ in range(200 * batch)
    )
    full = (512,) * (4 * (steps + WARM))
    if not on_gpu:
        return [Work(f"chat lengths, {batch} pairs a step", chat, batch)]
    return [
        Work(f"chat lengths, {batch} pairs a step", chat, batch),
        Work("4 x 512, checkpointing on", full, 4, "on"),
        Work("4 x 512, as memory allows", full, 4, ours_only=True),
    ]


def words(work: Work) -> list[list[int]]:
    """Random tokens of each pair."""
    chance = random.Random(SEED)
    return [chance.choices(range(3, 500), k=length) for length in work.lengths]


class Clock:
    """When each step ended."""

    def __init__(self) -> None:
        self._at: list[float] = []

    def tick(self) -> None:
        self._at.append(time.perf_counter())

    def rate(self, tokens: list[int]) -> float:
        """Real tokens a second, from the end of the last warm step."""
        last = len(self._at)
        return round(sum(tokens[WARM:last]) / (self._at[last - 1] - self._at[WARM - 1]), 1)


class Counts:
    """Real and padded tokens of each batch that a collator made, in order."""

    def __init__(self) -> None:
        self.real: list[int] = []
        self.padded: list[int] = []

    def watch(self, collate: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The same collator, counted."""

        def counting(rows: Any) -> Any:
            batch = collate(rows)
            self.real.append(sum(len(row["input_ids"]) for row in rows))
            self.padded.append(batch["input_ids"].numel())
            return batch

        return counting


def reset_peak() -> None:
    """Forget how much memory was in use."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gb() -> dict[str, float | None]:
    """Most memory in use since, and most that the allocator had taken for it."""
    if not torch.cuda.is_available():
        return {"peak_gb": None, "reserved_gb": None}
    used, taken = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
    return {"peak_gb": round(used / 1e9, 2), "reserved_gb": round(taken / 1e9, 2)}
