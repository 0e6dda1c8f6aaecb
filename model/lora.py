"""The adapter slot: every linear layer of the decoder with room for one LoRA adapter, written in place.

y = W x + B (A x), with W in NF4 and LoRA's scaling folded into B (Hu et al., arXiv:2106.09685). The slot's buffers are
allocated once for a rank and then only overwritten, so whatever captured their addresses (a CUDA graph) stays valid.
An adapter of a smaller rank fills the first rows; the rest is zero. The bare base is an adapter of zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from model.adapter_files import AdapterWeights

__all__ = ["AdapterSlot", "SlotLinear"]


class SlotLinear(nn.Module):
    """A frozen linear layer and its part of the adapter slot.

    Shapes: x [..., in] -> [..., out]; `a` [rank, in] and `b` [out, rank] in the compute type.
    """

    a: torch.Tensor
    b: torch.Tensor

    def __init__(self, base: nn.Module, rank: int, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.base = base
        self.in_features = int(base.in_features)  # type: ignore[arg-type]
        self.out_features = int(base.out_features)  # type: ignore[arg-type]
        self.adapted = False  # read by the host only: a captured graph always computes the product
        self.allocate(rank, dtype, device)

    def allocate(self, rank: int, dtype: torch.dtype, device: torch.device) -> None:
        """Fresh zero buffers for adapters up to `rank`."""
        self.register_buffer("a", torch.zeros(rank, self.in_features, dtype=dtype, device=device), persistent=False)
        self.register_buffer("b", torch.zeros(self.out_features, rank, dtype=dtype, device=device), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.base(x)
        return y + functional.linear(functional.linear(x, self.a), self.b) if self.adapted else y


class AdapterSlot:
    """All SlotLinears of one model: the place an adapter is copied to.

    Not thread-safe: call `write` and `clear` only where no forward pass can run.
    """

    def __init__(self, model: Any, rank: int, dtype: torch.dtype, device: torch.device) -> None:
        self.rank, self.dtype, self.device = rank, dtype, device
        self.linears: dict[str, SlotLinear] = {}
        head = model.get_output_embeddings()
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.Linear) and module is not head:
                parent = model.get_submodule(name.rpartition(".")[0])
                self.linears[name] = SlotLinear(module, rank, dtype, device)
                setattr(parent, name.rpartition(".")[2], self.linears[name])

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Module path -> (in_features, out_features) of everything an adapter may touch."""
        return {name: (linear.in_features, linear.out_features) for name, linear in self.linears.items()}

    def write(self, weights: AdapterWeights) -> bool:
        """Copy a validated adapter into place; True when the buffers had to grow (addresses changed)."""
        grown = weights.rank > self.rank
        if grown:
            self.rank = weights.rank
            for linear in self.linears.values():
                linear.allocate(self.rank, self.dtype, self.device)
        for name, linear in self.linears.items():
            matrices = weights.matrices.get(name)
            linear.a.zero_()
            linear.b.zero_()
            linear.adapted = matrices is not None
            if matrices is not None:
                linear.a[: weights.rank].copy_(matrices[0])
                linear.b[:, : weights.rank].copy_(matrices[1])
        return grown

    def clear(self) -> None:
        """Back to the bare base."""
        for linear in self.linears.values():
            linear.a.zero_()
            linear.b.zero_()
            linear.adapted = False
