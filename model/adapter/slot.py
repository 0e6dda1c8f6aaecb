"""The adapter slot: every linear layer of the decoder with room for one LoRA adapter, written in place.

y = W x + B (A x), with W in NF4 and LoRA's scaling folded into B (Hu et al., arXiv:2106.09685). The slot's buffers are
allocated once for a rank and then only overwritten, so whatever captured their addresses (a CUDA graph) stays valid.
An adapter of a smaller rank fills the first rows; the rest is zero. The bare base is an adapter of zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from bitsandbytes.nn import Linear4bit
from torch import nn
from torch.nn import functional

from model.adapter.files import AdapterWeights
from model.adapter.target_modules import adaptable

__all__ = ["AdapterSlot", "SlotLinear", "StagedAdapter"]

SmallBatch = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class SlotLinear(nn.Module):
    """A linear layer of the base and its part of the adapter slot.

    Shapes: x [..., in] -> [..., out]; `a` [rank, in] and `b` [out, rank] in the compute type.
    """

    a: torch.Tensor
    b: torch.Tensor

    def __init__(self, base: nn.Module, rank: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self._small_batch: SmallBatch | None = None
        self._small_batch_rows = 0
        self.base = base
        self.in_features = int(base.in_features)  # type: ignore[arg-type]
        self.out_features = int(base.out_features)  # type: ignore[arg-type]
        self.adapted = False  # read by the host only: a captured graph always computes the product
        self.allocate(rank, dtype, device)

    @property
    def weight(self) -> Any:
        """The base layer's weight, for models that look at it."""
        return self.base.weight

    @property
    def bias(self) -> Any:
        """As `weight`."""
        return self.base.bias

    def use_small_batch(self, small_batch: SmallBatch, rows: int) -> None:
        """Compute up to `rows` rows together with their LoRA product by `small_batch(x, a, b)`."""
        self._small_batch, self._small_batch_rows = small_batch, rows

    def allocate(self, rank: int, dtype: torch.dtype, device: torch.device) -> None:
        """Fresh zero buffers for adapters up to `rank`."""
        self.register_buffer("a", torch.zeros(rank, self.in_features, dtype=dtype, device=device), persistent=False)
        self.register_buffer("b", torch.zeros(self.out_features, rank, dtype=dtype, device=device), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._small_batch is not None and x.numel() <= self._small_batch_rows * self.in_features:
            return self._small_batch(x, self.a, self.b)
        y: torch.Tensor = self.base(x)
        return y + functional.linear(functional.linear(x, self.a), self.b) if self.adapted else y


def _slot_rank(rank: int) -> int:
    """The rank of the slot that holds adapters of this one: a power of two, as the kernels on a GPU compile for."""
    return 1 << (rank - 1).bit_length()


@dataclass(frozen=True)
class StagedAdapter:
    """An adapter on the device, ready to be copied into the slot: A and B of each layer in turn, of this rank."""

    rank: int
    tensors: list[torch.Tensor]
    adapted: frozenset[str]


class AdapterSlot:
    """All SlotLinears of one model: the place an adapter is copied to.

    `stage` may run beside forward passes, `write` only where none can.
    """

    def __init__(self, model: Any, rank: int, dtype: torch.dtype, device: torch.device) -> None:
        rank = _slot_rank(rank)
        self.rank, self.dtype, self.device = rank, dtype, device
        self.linears: dict[str, SlotLinear] = {}
        for name, module in adaptable(model).items():
            parent = model.get_submodule(name.rpartition(".")[0])
            self.linears[name] = SlotLinear(module, rank, dtype, device)
            setattr(parent, name.rpartition(".")[2], self.linears[name])

    @property
    def is_nf4(self) -> bool:
        """Whether every layer is packed by bitsandbytes in 4 bits: what the fused kernels read."""
        return all(isinstance(linear.base, Linear4bit) for linear in self.linears.values())

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Module path -> (in_features, out_features) of everything an adapter may touch."""
        return {name: (linear.in_features, linear.out_features) for name, linear in self.linears.items()}

    def stage(self, weights: AdapterWeights | None) -> StagedAdapter:
        """Bring an adapter (None: the bare base) to the device, in the slot's shapes, without touching the slot.

        Safe beside running forward passes: one transfer, on a stream of its own.
        """
        rank = max(self.rank, _slot_rank(weights.rank if weights else 1))
        parts: list[torch.Tensor] = []
        for name, linear in self.linears.items():
            a, b = torch.zeros(rank, linear.in_features), torch.zeros(linear.out_features, rank)
            if weights is not None and name in weights.matrices:
                a[: weights.rank], b[:, : weights.rank] = weights.matrices[name]
            parts += [a, b]
        flat = torch.cat([part.flatten() for part in parts]).to(self.dtype)
        if self.device.type == "cuda":
            stream = torch.cuda.Stream(self.device)
            with torch.cuda.stream(stream):
                flat = flat.to(self.device)
            stream.synchronize()
        sizes = [part.numel() for part in parts]
        tensors = [piece.view(part.shape) for piece, part in zip(flat.split(sizes), parts, strict=True)]
        return StagedAdapter(rank, tensors, frozenset(weights.matrices) if weights is not None else frozenset())

    def write(self, staged: StagedAdapter) -> bool:
        """Copy a staged adapter into place; True when the buffers had to grow (their addresses changed)."""
        grown = staged.rank > self.rank
        if grown:
            self.rank = staged.rank
            for linear in self.linears.values():
                linear.allocate(self.rank, self.dtype, self.device)
        if staged.rank == self.rank:
            targets = [tensor for linear in self.linears.values() for tensor in (linear.a, linear.b)]
            torch._foreach_copy_(targets, staged.tensors)
        else:
            self._write_smaller(staged)
        for name, linear in self.linears.items():
            linear.adapted = name in staged.adapted
        return grown

    def _write_smaller(self, staged: StagedAdapter) -> None:
        """The slot grew between staging and writing."""
        for index, linear in enumerate(self.linears.values()):
            linear.a.zero_()
            linear.b.zero_()
            linear.a[: staged.rank].copy_(staged.tensors[2 * index])
            linear.b[:, : staged.rank].copy_(staged.tensors[2 * index + 1])
