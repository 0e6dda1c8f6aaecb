"""What a device's kernels compute, and the layers they compute it for.

A device has one module of kernels: model/fused/gpu/kernels.py and model/fused/cpu/kernels.py. Both fit `Kernels`, which
the type checker holds them to. M is the number of rows (tokens), K and N are inputs and outputs of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from bitsandbytes.functional import QuantState
from torch.nn import functional

from model.adapter.slots import RowSlots
from model.cache.kv_cache import SlotCache

__all__ = [
    "Activation",
    "AttentionShape",
    "BeginStep",
    "CompileLayers",
    "FusedLayer",
    "FusedLinear",
    "Kernels",
    "LayerNorms",
    "Layers",
    "Norms",
    "Rotary",
    "Step",
]

Activation = Literal["silu", "gelu_pytorch_tanh"]
"""What a gate goes through, by transformers' names."""
Rotary = tuple[torch.Tensor, torch.Tensor]
"""cos and sin, [length, head_dim]; 1 and 0 for numbers that no position turns."""
Norms = tuple[torch.Tensor, torch.Tensor, float]
"""Query and key RMS norm weights, and epsilon."""
Head = Callable[[torch.Tensor], torch.Tensor]
"""Hidden states [M, hidden] -> logits [M, vocabulary]."""
Layers = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, RowSlots], torch.Tensor]
"""Hidden states [M, hidden], positions, cache rows and slots (M of each at least) -> hidden states."""


@dataclass(frozen=True)
class AttentionShape:
    """How a layer attends.

    Attributes:
        heads: of queries.
        scale: of the scores.
        rotary: of each position.
        turned: how many numbers of a head, from the first, a position turns: its first half against its second.
        window: of local attention; 0 without one.
        norms: of queries and keys, if they have any.
        wide_norms: whether those are over all heads at once. `Step.attend` leaves them to its caller.
    """

    heads: int
    scale: float
    rotary: Rotary
    turned: int
    window: int = 0
    norms: Norms | None = None
    wide_norms: bool = False

    @property
    def head_norms(self) -> Norms | None:
        """Norms of each head."""
        return None if self.wide_norms else self.norms


class Step(Protocol):
    """What the layers of one pass share."""

    def attend(self, qkv: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, how: AttentionShape) -> torch.Tensor:
        """Attention of M new tokens; stores their keys and values. Returns [M, heads * head_dim].

        qkv: [M, (heads + 2 * kv_heads) * head_dim]; keys, values: [rows, kv_heads, length, head_dim].
        """


BeginStep = Callable[[torch.Tensor, torch.Tensor], Step]
"""Positions and owning cache rows of the new tokens (as many of each at least) -> a step."""


class CompileLayers(Protocol):
    """Makes one function of all layers."""

    def __call__(self, layers: Sequence[FusedLayer], slots: SlotCache, *, eps: float) -> Layers | None:
        """None where the layers have to be computed one by one."""


class Kernels(Protocol):
    """A device's kernels. Packed weights are (words, scales), in a layout of the device's own."""

    SMALL_BATCH: int
    """Rows up to which `product` and `finish` compute."""
    PREFILL_SIZES: tuple[int, ...]
    """Tokens of the passes of `begin_prefill`; empty where prompts are computed by torch's attention."""

    @property
    def begin_prefill(self) -> BeginStep | None:
        """Begin a pass over tokens of one cache row, each of which sees those before it."""

    @property
    def compile_layers(self) -> CompileLayers | None:
        """All layers as one call, where the device has it."""

    def begin_step(self, positions: torch.Tensor, owners: torch.Tensor) -> Step:
        """Begin a decode step: one token for each cache row in `owners`."""

    def fits(self, inputs: int, outputs: int) -> bool:
        """Whether a linear layer of this size can be computed."""

    def fits_heads(self, head_dim: int) -> bool:
        """Whether a model of this head width can be computed."""

    def pack(self, weight: torch.Tensor, state: QuantState) -> tuple[torch.Tensor, torch.Tensor]:
        """Bitsandbytes' NF4 weight as words [N, ...] and scales [N, ...]."""

    def arrange_scales(self, scales: torch.Tensor) -> torch.Tensor:
        """Scales of layers put together, as `product` reads them."""

    def dequantise(self, words: torch.Tensor, scales: torch.Tensor, k: int) -> torch.Tensor:
        """Weights [N, k]."""

    def join(self, parts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """LoRA's B of layers that share their input, [slots, ...], as `finish` reads it, and a view of each."""

    def product(
        self,
        x: torch.Tensor,
        words: torch.Tensor,
        scales: torch.Tensor,
        a: torch.Tensor,
        rows: RowSlots,
        *,
        rank: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns x W^T, [M, N], and LoRA's x A^T, [M, R], with the A of each row's slot.

        x: [M, K]; a: [slots, R, K], of layers of this rank. What a row without an adapter has of the second is not
        defined.
        """

    def finish(
        self,
        sums: torch.Tensor,
        low: torch.Tensor,
        b: torch.Tensor,
        rows: RowSlots,
        segments: tuple[int, ...],
        *,
        bias: torch.Tensor | None = None,
        residual: torch.Tensor | None = None,
        factor: float = 1.0,
    ) -> torch.Tensor:
        """[M, N]: the product, plus LoRA's B, plus bias, times factor, plus residual.

        `segments` are the layers' widths in N.
        """

    def finish_gated(
        self, sums: torch.Tensor, low: torch.Tensor, b: torch.Tensor, rows: RowSlots, activation: Activation
    ) -> torch.Tensor:
        """[M, N / 2]: activation(gate) * up of a fused gate and up product."""

    def gated(self, y: torch.Tensor, activation: Activation) -> torch.Tensor:
        """[M, N / 2]: activation(gate) * up of the two halves of [M, N]."""

    def rms_norm(
        self, x: torch.Tensor, weight: torch.Tensor, eps: float, residual: torch.Tensor | None = None
    ) -> torch.Tensor:
        """RMS norm of [M, N], plus residual. With a weight in fp32 the result is rounded once, at the end."""

    def make_head(self, weight: torch.Tensor) -> Head:
        """The output layer."""


@dataclass(frozen=True)
class FusedLinear:
    """Layers that read the same input, as one: their outputs side by side.

    Attributes:
        kernels: the device's.
        words, scales: packed weights of all, [N, ...].
        a: [slots, layers * rank, K]; b: as the kernels' `finish` reads it. The layers' own buffers are views of these.
        rank: of each layer's part.
        segments: width of each layer.
        bias: [N] or None.
        factor: of what is added to a residual.
    """

    kernels: Kernels
    words: torch.Tensor
    scales: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor
    rank: int
    segments: tuple[int, ...]
    bias: torch.Tensor | None
    factor: float = 1.0

    def product(self, x: torch.Tensor, rows: RowSlots) -> tuple[torch.Tensor, torch.Tensor]:
        """The product of at most `kernels.SMALL_BATCH` rows, without its end; see `Kernels.product`."""
        return self.kernels.product(x, self.words, self.scales, self.a, rows, rank=self.rank)

    def __call__(self, x: torch.Tensor, rows: RowSlots, residual: torch.Tensor | None = None) -> torch.Tensor:
        """The whole layer for any number of rows: [M, K] -> [M, N], each with the adapter of its slot."""
        if x.shape[0] <= self.kernels.SMALL_BATCH:
            sums, low = self.product(x, rows)
            return self.kernels.finish(
                sums, low, self.b, rows, self.segments, bias=self.bias, residual=residual, factor=self.factor
            )
        return self._of_one_slot(x, rows, residual) if rows.shared else self._in_parts(x, rows, residual)

    def _in_parts(self, x: torch.Tensor, rows: RowSlots, residual: torch.Tensor | None) -> torch.Tensor:
        """More rows than a product takes: it reads the weights again for each part."""
        most = self.kernels.SMALL_BATCH
        return torch.cat(
            [
                self(
                    x[at : at + most], rows.part(at, at + most), None if residual is None else residual[at : at + most]
                )
                for at in range(0, len(x), most)
            ]
        )

    def _of_one_slot(self, x: torch.Tensor, rows: RowSlots, residual: torch.Tensor | None) -> torch.Tensor:
        """More rows than a product takes, which all read one slot: a prompt."""
        weight = self.kernels.dequantise(self.words, self.scales, x.shape[1])
        if residual is not None and self.bias is None and self.factor == 1.0:
            y = torch.addmm(residual, x, weight.T)
        else:
            y = functional.linear(x, weight, self.bias)
        a, b = self.a[rows.slots[0]], self.b[rows.slots[0]]
        low, rank, start = functional.linear(x, a), self.rank, 0
        for index, width in enumerate(self.segments):
            part = slice(start, start + width)
            y[:, part].addmm_(low[:, index * rank : (index + 1) * rank], b[part].T)
            start += width
        if residual is None or (self.bias is None and self.factor == 1.0):
            return y
        return y.mul_(self.factor).add_(residual)


@dataclass(frozen=True)
class LayerNorms:
    """Weights of the norms before and after the two parts of a layer; None where there is none.

    One after a part is of what the part computes, before that is added to the hidden states.
    """

    before_attention: torch.Tensor | None
    after_attention: torch.Tensor | None
    before_mlp: torch.Tensor | None
    after_mlp: torch.Tensor | None


@dataclass(frozen=True)
class FusedLayer:
    """A decoder layer: attention, and a gated feed-forward part."""

    qkv: FusedLinear
    out: FusedLinear
    gate_up: FusedLinear
    down: FusedLinear
    norms: LayerNorms
    attention: AttentionShape
    activation: Activation
