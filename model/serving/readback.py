"""Sampled tokens and their probabilities, brought from the device to the host."""

from __future__ import annotations

from typing import NamedTuple

import torch

__all__ = ["Readback", "SampledToken"]


class SampledToken(NamedTuple):
    """A row's next token, and how probable it was at temperature 1."""

    token: int
    probability: float


class Readback:
    """A step's results on the host. The device copies them by itself; `wait` waits for that copy."""

    def __init__(self, rows: int, device: torch.device) -> None:
        pinned = device.type == "cuda"
        self._tokens = torch.zeros(rows, dtype=torch.int64, pin_memory=pinned)
        self._probabilities = torch.zeros(rows, pin_memory=pinned)
        self._arrived = torch.cuda.Event() if pinned else None
        self._count = 0

    def start(self, tokens: torch.Tensor, probabilities: torch.Tensor) -> None:
        self._count = len(tokens)
        self._tokens[: self._count].copy_(tokens, non_blocking=True)
        self._probabilities[: self._count].copy_(probabilities, non_blocking=True)
        if self._arrived is not None:
            self._arrived.record()

    def wait(self) -> list[SampledToken]:
        if self._arrived is not None:
            self._arrived.synchronize()
        pairs = zip(self._tokens[: self._count].tolist(), self._probabilities[: self._count].tolist(), strict=True)
        return [SampledToken(token, probability) for token, probability in pairs]
