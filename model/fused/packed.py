"""NF4 layers in the layout of a device's kernels, alone or fused with the layers that share their input.

Packing replaces bitsandbytes' weights, byte for byte, so nothing is held twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from model.adapter.slots import RowSlots, SlotLinear
from model.fused.kernels import FusedLinear, Kernels

__all__ = ["FusedLinear", "PackedLinear", "fuse", "pack_each", "rebind"]


class PackedLinear(nn.Module):
    """An NF4 base layer in the kernels' layout. x [..., in] -> [..., out], bf16 on a GPU, fp32 on a CPU.

    `words` and `scales` may be views of a fused layer's.
    """

    def __init__(
        self, kernels: Kernels, words: torch.Tensor, scales: torch.Tensor, inputs: int, bias: torch.Tensor | None
    ) -> None:
        super().__init__()
        self._kernels = kernels
        self.in_features, self.out_features = inputs, words.shape[0]
        self.words, self.scales, self.bias = nn.Buffer(words), nn.Buffer(scales), bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self._kernels.dequantise(self.words, self.scales, self.in_features)
        return functional.linear(x, weight, self.bias)

    def small_batch(self, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, rows: RowSlots) -> torch.Tensor:
        """The product of at most `kernels.SMALL_BATCH` rows together with their LoRA pair."""
        flat, rank = x.reshape(-1, self.in_features), a.shape[1]
        sums, low = self._kernels.product(flat, self.words, self.scales, a, rows, rank=rank)
        whole, _ = self._kernels.join([b])
        y = self._kernels.finish(sums, low, whole, rows, (self.out_features,), bias=self.bias)
        return y.view(*x.shape[:-1], self.out_features)


def fuse(linears: list[SlotLinear], kernels: Kernels) -> FusedLinear:
    """Pack slot layers that share their input and make them views of the fused whole."""
    packs = [_packed(linear, kernels) for linear in linears]
    words, scales = torch.cat([p[0] for p in packs]), kernels.arrange_scales(torch.cat([p[1] for p in packs]))
    biases = [own for linear in linears if isinstance(own := linear.base.bias, torch.Tensor)]
    bias = torch.cat(biases) if len(biases) == len(linears) else None
    start = 0
    for linear in linears:
        end = start + linear.out_features
        own_bias = None if bias is None else bias[start:end]
        part = PackedLinear(kernels, words[start:end], scales[start:end], linear.in_features, own_bias)
        linear.base = part
        linear.use_small_batch(part.small_batch, kernels.SMALL_BATCH)
        start = end
    segments = tuple(linear.out_features for linear in linears)
    whole = FusedLinear(kernels, words, scales, words, words, 0, segments, bias)
    return rebind(whole, linears)


def pack_each(linears: Iterable[SlotLinear], kernels: Kernels) -> None:
    """Pack each layer alone, for transformers' modules; one whose sizes the kernels do not take stays bitsandbytes'."""
    for linear in linears:
        if kernels.fits(linear.in_features, linear.out_features):
            fuse([linear], kernels)


def rebind(whole: FusedLinear, linears: list[SlotLinear]) -> FusedLinear:
    """Fuse the adapter buffers of `linears`, and make theirs views of the fused ones."""
    a, rank = torch.cat([linear.a for linear in linears], dim=1), linears[0].a.shape[1]
    b, parts = whole.kernels.join([linear.b for linear in linears])
    for index, linear in enumerate(linears):
        linear.a, linear.b = a[:, index * rank : (index + 1) * rank], parts[index]
    return replace(whole, a=a, b=b, rank=rank)


def _packed(linear: SlotLinear, kernels: Kernels) -> tuple[torch.Tensor, torch.Tensor]:
    base: Any = linear.base
    if isinstance(base, PackedLinear):
        return base.words, base.scales
    words, scales = kernels.pack(base.weight.data, base.weight.quant_state)
    base.weight = None  # the bitsandbytes weight goes before the next layer is packed
    return words, scales
