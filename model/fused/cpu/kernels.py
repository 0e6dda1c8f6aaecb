"""The fused step's kernels on a CPU, in fp32: the same names and shapes as model/fused/gpu/kernels.py.

The 4-bit product is that of model/fused/cpu/nf4_product.py. Everything around it is a few plain torch operations,
because at one row each costs its overhead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from bitsandbytes import functional as bnb
from bitsandbytes.functional import QuantState
from torch.nn import functional

from model.adapter.bank import BARE
from model.adapter.slots import RowSlots
from model.cache.kv_cache import SlotCache
from model.cores import cores
from model.fused.cpu.compiled import CompiledHead, CompiledLayers, library
from model.fused.cpu.nf4_product import BLOCK, handed_in, multiplied, usable
from model.fused.kernels import Activation, AttentionShape, BeginStep, FusedLayer, Rotary

__all__ = [
    "PREFILL_SIZES",
    "SMALL_BATCH",
    "arrange_scales",
    "begin_prefill",
    "begin_step",
    "compile_layers",
    "dequantise",
    "finish",
    "finish_gated",
    "fits",
    "fits_heads",
    "gated",
    "join",
    "make_head",
    "pack",
    "product",
    "rms_norm",
    "usable",
]

SMALL_BATCH = 1 << 30  # the product reads 4-bit weights directly for any number of rows
PREFILL_SIZES: tuple[int, ...] = ()
begin_prefill: BeginStep | None = None  # torch's attention computes prompts

_WHOLE = 32  # numbers of a head that the C code computes at once
_STEP_ROWS = 1  # beyond, LoRA's A is applied layer by layer
_EXACT = 8  # logits computed in fp32: the likeliest by bf16


def fits(inputs: int, outputs: int) -> bool:
    """Whether a linear layer of this size can be computed here."""
    return inputs % BLOCK == 0 and outputs % 32 == 0


def fits_heads(head_dim: int) -> bool:
    """Whether a model of this head width can be computed here.

    Where the product is part of the C code, so are the layers, and those want heads of whole vectors.
    """
    return head_dim % (2 if handed_in() else _WHOLE) == 0


def arrange_scales(scales: torch.Tensor) -> torch.Tensor:
    """Scales [N, K / 64] whose transpose is contiguous, as the product reads them."""
    return scales.T.contiguous().T


def pack(weight: torch.Tensor, state: QuantState) -> tuple[torch.Tensor, torch.Tensor]:
    """Bitsandbytes' NF4 weight as its packed product reads it: words [N, K / 2] uint8 and scales [N, K / 64] bf16.

    A layer that has run in eval mode is packed already.
    """
    if not getattr(state, "packing_format_for_cpu", False):
        weight, state = bnb._convert_weight_packed_for_cpu(weight, state)  # noqa: SLF001 - what its layers call
    return weight.view(state.shape[0], -1), state.absmax.T


def dequantise(words: torch.Tensor, scales: torch.Tensor, k: int) -> torch.Tensor:
    """Weights [N, k] in fp32."""
    return multiplied(torch.eye(k), words, scales).T


def join(parts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """LoRA's B of layers that share their input, each [slots, N_i, rank], as `finish` reads it, and views of each.

    [slots, layers * rank, N], zero where a layer's part meets another's outputs: one product for all, which at few rows
    costs less than one for each.
    """
    slots, _, rank = parts[0].shape
    whole = parts[0].new_zeros(slots, len(parts) * rank, sum(part.shape[1] for part in parts))
    views, start = [], 0
    for index, part in enumerate(parts):
        end = start + part.shape[1]
        views.append(whole[:, index * rank : (index + 1) * rank, start:end].transpose(1, 2).copy_(part))
        start = end
    return whole, views


def product(
    x: torch.Tensor, words: torch.Tensor, scales: torch.Tensor, a: torch.Tensor, rows: RowSlots, *, rank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns x W^T, [M, N], and LoRA's x A^T, [M, R]. x: [M, K]; a: [slots, R, K], of layers of this rank."""
    low = x.new_zeros(len(x), a.shape[1])
    for slot, own in rows.groups:
        if slot == BARE:
            continue
        if own is None:
            low = _lowered(x, a[slot], rank)
        else:
            low[own] = _lowered(x[own], a[slot], rank)
    return multiplied(x, words, scales), low


def _lowered(x: torch.Tensor, a: torch.Tensor, rank: int) -> torch.Tensor:
    """Multiply x [M, K] by LoRA's A of one slot, [R, K].

    Layer by layer for a prompt: one product of all sums in another order, and where the next input is rounded to bf16,
    that last bit now and then becomes a visible one.
    """
    if len(x) <= _STEP_ROWS:
        return functional.linear(x, a)
    return torch.cat([functional.linear(x, part) for part in a.split(rank)], dim=-1)


def finish(
    sums: torch.Tensor,
    low: torch.Tensor,
    b: torch.Tensor,
    rows: RowSlots,
    segments: tuple[int, ...],  # noqa: ARG001 - `b` has them
    *,
    bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
    factor: float = 1.0,
) -> torch.Tensor:
    """[M, N]: the product, plus LoRA's B, plus bias, times factor, plus residual; `sums` is overwritten.

    `segments` are the widths of the layers fused into N; `b` is from `join`.
    """
    if bias is not None:
        sums += bias
    for slot, own in rows.groups:
        if slot == BARE:
            continue
        if own is None:
            sums.addmm_(low, b[slot])
        else:
            sums[own] = torch.addmm(sums[own], low[own], b[slot])
    if factor != 1.0:
        sums *= factor
    return sums if residual is None else sums.add_(residual)


def finish_gated(
    sums: torch.Tensor, low: torch.Tensor, b: torch.Tensor, rows: RowSlots, activation: Activation
) -> torch.Tensor:
    """[M, N / 2]: activation(gate) * up of a fused gate and up product."""
    half = sums.shape[1] // 2
    return gated(finish(sums, low, b, rows, (half, half)), activation)


def gated(y: torch.Tensor, activation: Activation) -> torch.Tensor:
    """[M, N / 2]: activation(gate) * up of the two halves of [M, N]."""
    gate, up = y.chunk(2, dim=-1)
    return (functional.silu(gate) if activation == "silu" else functional.gelu(gate, approximate="tanh")).mul_(up)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float, residual: torch.Tensor | None = None) -> torch.Tensor:
    """RMS norm of [M, N], plus residual."""
    normed = functional.rms_norm(x, weight.shape, weight, eps)
    return normed if residual is None else normed.add_(residual)


def make_head(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The output layer: [M, hidden] -> logits [M, vocabulary].

    Computed in bf16, half the bytes, from a copy; the likeliest tokens once more in fp32, so that near-ties among them
    fall as in the model's own layer.
    """
    rough = CompiledHead(weight, _cores()) if CompiledHead.fits(weight) else _torch_head(weight)

    def head(x: torch.Tensor) -> torch.Tensor:
        logits = rough(x)
        likeliest = logits.topk(min(_EXACT, logits.shape[1]), dim=-1).indices
        exact = torch.matmul(weight[likeliest], x[:, :, None])[:, :, 0]
        return logits.scatter_(1, likeliest, exact)

    return head


def _torch_head(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The output layer in bf16, on all cores: of a step by torch it is the one product worth waking them for."""
    half, most = weight.bfloat16(), _cores()

    def head(x: torch.Tensor) -> torch.Tensor:
        threads = torch.get_num_threads()
        torch.set_num_threads(most)
        logits = functional.linear(x.bfloat16(), half).float()
        torch.set_num_threads(threads)
        return logits

    return head


def compile_layers(layers: Sequence[FusedLayer], slots: SlotCache, *, eps: float) -> CompiledLayers | None:
    """All layers of a fused step as one call; None where torch computes them one by one."""
    if library() is None or slots.keys[0].shape[-1] % _WHOLE:
        return None
    return CompiledLayers(layers, slots, handed_in(), eps=eps, threads=_cores())


@cache
def _cores() -> int:
    """Torch's threads where a model is loaded first, within the container's share; the worker's thread has fewer."""
    return min(torch.get_num_threads(), cores())


class _Step:
    """What the layers of one decode step share: turns and masks for the rows' positions."""

    def __init__(self, positions: torch.Tensor, rows: int) -> None:
        self._positions = positions[:rows]
        places = self._positions.tolist()
        self._first, self._end = min(places), max(places) + 1
        self._rows = torch.arange(rows)
        self._turns: dict[int, Rotary] = {}
        self._masks: dict[int, torch.Tensor | None] = {}

    def attend(self, qkv: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, how: AttentionShape) -> torch.Tensor:
        """See `model.fused.kernels.Step.attend`; one token for each of the first M rows."""
        m = qkv.shape[0]
        kv, dim = keys.shape[1], keys.shape[3]
        parts = qkv.view(m, -1, dim)
        asked, v = parts[:, :-kv], parts[:, -kv:]
        if norms := how.head_norms:
            q, k = asked[:, :-kv], asked[:, -kv:]
            asked = torch.cat((rms_norm(q, norms[0], norms[2]), rms_norm(k, norms[1], norms[2])), dim=1)
        half, turned = how.turned // 2, how.turned
        swapped = torch.cat((asked[..., half:turned], asked[..., :half], asked[..., turned:]), dim=-1)
        cos, sin = self._turn(how)
        asked = (asked * cos).add_(swapped.mul_(sin))
        q, k = asked[:, :-kv], asked[:, -kv:]
        if m == 1:
            keys[0, :, self._first], values[0, :, self._first] = k[0], v[0]
        else:
            keys[self._rows, :, self._positions], values[self._rows, :, self._positions] = k, v
        # The heads of one group share their keys: as queries of one head they need no repeated copy of the cache.
        q = q.reshape(m, kv, -1, dim)
        past_k, past_v = keys[:m, :, : self._end], values[:m, :, : self._end]
        mask, scale = self._mask(how.window), how.scale
        return functional.scaled_dot_product_attention(q, past_k, past_v, attn_mask=mask, scale=scale).reshape(m, -1)

    def _turn(self, how: AttentionShape) -> Rotary:
        """Cos and sin at the rows' positions, [rows, 1, head_dim]; the sign of the first half is in the sin."""
        if id(how.rotary) not in self._turns:
            cos, sin = (table[self._positions, None] for table in how.rotary)
            half = how.turned // 2
            self._turns[id(how.rotary)] = cos, torch.cat((-sin[..., :half], sin[..., half:]), dim=-1)
        return self._turns[id(how.rotary)]

    def _mask(self, window: int) -> torch.Tensor | None:
        """Who sees what, added to the scores, [rows, 1, 1, end]; None when every row sees everything up to `end`."""
        if window not in self._masks:
            places, last = torch.arange(self._end), self._positions[:, None]
            hidden = places > last
            if window:
                hidden |= places <= last - window
            all_seen = self._first + 1 == self._end and not (window and self._end > window)
            scores = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))[:, None, None]
            self._masks[window] = None if all_seen else scores
        return self._masks[window]


def begin_step(positions: torch.Tensor, owners: torch.Tensor) -> _Step:
    """Begin a decode step: one token for each cache row in `owners` (0, 1, …), at `positions` (as many at least)."""
    return _Step(positions, len(owners))
