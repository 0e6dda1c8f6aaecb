"""Layers that share their input, with their adapters, as one product, forward and back. Knows no layer around them.

y = W x + s B A x', where x' is x after dropout. Only A and B have gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trainer.training.flat_adapter import FlatAdapter
from trainer.training.packed_operations import Operations

__all__ = ["Dropout", "PackedLinears"]


@dataclass(frozen=True)
class Dropout:
    """What share of the adapters' inputs is dropped, and the number that decides which: [1] int64, on the device."""

    share: float
    seed: torch.Tensor


class PackedLinears:
    """Layers that share their input, with their adapters, as one: x [T, in] -> y [T, out]."""

    def __init__(self, part: Sequence[Any], adapter: str, flat: FlatAdapter, operations: Operations, salt: int) -> None:
        a = [linear.lora_A[adapter].weight for linear in part]
        b = [linear.lora_B[adapter].weight for linear in part]
        self._layers = [linear.base_layer for linear in part]
        self._operations, self._salt = operations, salt
        self._scaling = float(part[0].scaling[adapter])
        self._a, self._grad_a = flat.joined(flat.compute, a), flat.joined(flat.gradient, a)
        self._b = [flat.view(flat.compute, one) for one in b]
        self._grad_b = [flat.view(flat.gradient, one) for one in b]
        biases = [layer.bias for layer in self._layers if layer.bias is not None]
        self._bias: torch.Tensor | None = torch.cat(biases) if biases else None
        self._columns, self._ranks = _slices([len(one) for one in b]), _slices([len(one) for one in a])

    def forward(
        self, x: torch.Tensor, dropout: Dropout, residual: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Of x: y, and A x' [T, ranks] to keep. y includes the residual."""
        weight = self._operations.weight(self._layers, x.dtype).T
        beside = self._bias if residual is None else residual
        y = x @ weight if beside is None else torch.addmm(beside, x, weight)
        if residual is not None and self._bias is not None:
            y += self._bias
        low = self.low(x, dropout)
        for b, columns, ranks in zip(self._b, self._columns, self._ranks, strict=True):
            y[:, columns].addmm_(low[:, ranks], b.T, alpha=self._scaling)
        return y, low

    def low(self, x: torch.Tensor, dropout: Dropout) -> torch.Tensor:
        """A x', [T, ranks]."""
        return self._dropped(x, dropout) @ self._a.T

    def backward(self, grad: torch.Tensor, dropout: Dropout) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the gradient of y: that of x, and that of A x' [T, ranks] without the scaling."""
        low = torch.empty(len(grad), self._ranks[-1].stop, dtype=grad.dtype, device=grad.device)
        for b, columns, ranks in zip(self._b, self._columns, self._ranks, strict=True):
            torch.mm(grad[:, columns], b, out=low[:, ranks])
        x = grad @ self._operations.weight(self._layers, grad.dtype)
        if not dropout.share:
            return x.addmm_(low, self._a, alpha=self._scaling), low
        return x.add_(self._dropped(low @ self._a, dropout), alpha=self._scaling), low

    def add_gradients(
        self, grad: torch.Tensor, low_grad: torch.Tensor, x: torch.Tensor, low: torch.Tensor, dropout: Dropout
    ) -> None:
        """Add the adapters' gradients to those they have."""
        self._grad_a.add_(low_grad.T @ self._dropped(x, dropout), alpha=self._scaling)
        for grad_b, columns, ranks in zip(self._grad_b, self._columns, self._ranks, strict=True):
            grad_b.add_(grad[:, columns].T @ low[:, ranks], alpha=self._scaling)

    def _dropped(self, x: torch.Tensor, dropout: Dropout) -> torch.Tensor:
        return self._operations.drop(x, dropout.share, dropout.seed, self._salt) if dropout.share else x


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
