"""The GPU kernels as functions on tensors: shapes, grids and scratch space.

The kernels themselves are CUDA (model/fused/gpu/nf4.cu) and Triton (the files triton_*.py beside this one).

Import only where Triton is (`model.fused.backend.kernels_for` says).
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

import torch
import triton
from bitsandbytes import functional as bnb
from bitsandbytes.functional import QuantState
from torch.nn import functional

from model.adapter.slots import RowSlots
from model.fused.gpu import triton_ends, triton_norms, triton_prompt_attention, triton_step_attention
from model.fused.gpu.nvrtc import CompilationFailed, compile_kernels
from model.fused.kernels import Activation, AttentionShape, CompileLayers

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

log = logging.getLogger(__name__)

SMALL_BATCH = 32  # up to here a product reads 4-bit weights directly; beyond, de-quantising first is faster
# Tokens of one prefill pass; each size is captured once.
PREFILL_SIZES: tuple[int, ...] = (SMALL_BATCH, 128, 256, 512, 768, 1024)

compile_layers: CompileLayers | None = None  # a CUDA graph captures the whole pass instead

PROMPT_BLOCKS = {32: (128, 64), 64: (128, 64), 128: (128, 64), 256: (64, 32)}
"""By head width: a prompt's tokens whose attention one block of threads computes, and keys at once."""
STEP_KEYS = {32: 64, 64: 64, 128: 64, 256: 32}
"""By head width: keys at once in a decode step."""
BLOCK = 64  # inputs that share one scale: the NF4 block size

# Eights of rows, and tiles for each block of threads. Measured on one H100: other tiles, 4 or 16 warps were slower.
_VARIANTS = ((1, 1), (2, 2), (4, 2))


def usable() -> bool:
    """Whether the CUDA kernels can be compiled here; the log says why not."""
    try:
        _cuda()
    except CompilationFailed as error:
        log.warning("The 4-bit kernels cannot be compiled (%s); transformers' modules are used, and slower", error)
        return False
    return True


def fits(inputs: int, outputs: int) -> bool:
    """Whether a linear layer of this size can be computed here."""
    return inputs % BLOCK == 0 and outputs % 64 == 0


def fits_heads(head_dim: int) -> bool:
    """Whether a model of this head width can be computed here."""
    return head_dim in PROMPT_BLOCKS


def arrange_scales(scales: torch.Tensor) -> torch.Tensor:
    """Scales of layers put together, as `product` reads them."""
    return scales


def make_head(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The output layer: [M, hidden] -> logits [M, vocabulary]."""
    return lambda x: functional.linear(x, weight)


class _Step(NamedTuple):
    """What the layers of one pass share: each token's position and cache row."""

    positions: torch.Tensor
    owners: torch.Tensor
    together: bool

    def attend(self, qkv: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, how: AttentionShape) -> torch.Tensor:
        """See `model.fused.kernels.Step.attend`; the result is bf16."""
        m, (_, kv, length, dim), heads = qkv.shape[0], keys.shape, how.heads
        new = (qkv, *how.rotary, keys, values, self.positions, self.owners)
        out = torch.empty(m, heads * dim, dtype=torch.bfloat16, device=qkv.device)
        q_norm, k_norm, eps = how.head_norms or (qkv, qkv, 0.0)
        sizes = {"H": heads, "KV": kv, "D": dim, "T": length, "TURNED": how.turned}
        sizes["NORMED"] = how.head_norms is not None
        if self.together:
            triton_prompt_attention.store[(m, kv)](*new, k_norm, eps, **sizes, num_warps=1)
            if m > SMALL_BATCH:  # few tokens share the past among more blocks of threads, below
                block, keys_at_once = PROMPT_BLOCKS[dim]
                triton_prompt_attention.attend_prompt[(triton.cdiv(m, block), heads)](
                    *new, q_norm, out, m, how.scale, eps, WINDOW=how.window, BM=block, BT=keys_at_once, **sizes,
                    num_warps=8,
                )  # fmt: skip
                return out
        splits = max(1, min(16, triton.next_power_of_2(128 // (m * kv) or 1)))
        top = torch.empty(m, heads, splits, dtype=torch.float32, device=qkv.device)
        total = torch.empty_like(top)
        mixed = torch.empty(m, heads, splits, dim, dtype=torch.float32, device=qkv.device)
        triton_step_attention.attend[(m, kv, splits)](
            *new, q_norm, k_norm, top, total, mixed, how.scale, eps, WINDOW=how.window,
            BG=max(16, triton.next_power_of_2(heads // kv)), BT=STEP_KEYS[dim], SPLITS=splits, **sizes, num_warps=4,
        )  # fmt: skip
        triton_step_attention.combine[(m * heads,)](top, total, mixed, out, D=dim, SPLITS=splits, num_warps=2)
        return out


def begin_step(positions: torch.Tensor, owners: torch.Tensor) -> _Step:
    """Begin a decode step: one token for each cache row in `owners`, at `positions` (as many at least)."""
    return _Step(positions, owners, together=False)


def begin_prefill(positions: torch.Tensor, owners: torch.Tensor) -> _Step:
    """Begin a pass over tokens of which several belong to one row and see those before them."""
    return _Step(positions, owners, together=True)


def pack(weight: torch.Tensor, state: QuantState) -> tuple[torch.Tensor, torch.Tensor]:
    """Bitsandbytes' NF4 weight in tiles (nf4.cu): words [N, groups * 32] int32 and scales [N, groups * 4] fp16.

    A group is 256 inputs; inputs beyond K are padded with scale 0. 16 rows are one tile and cannot be told apart, so
    cut at multiples of 16. The scales are the de-quantised absmax values, rounded to fp16 (relative error 2^-11, below
    the rounding of a weight to bf16).
    """
    n, k = state.shape
    blocks = k // BLOCK
    groups = -(-blocks // 4)
    absmax = state.absmax
    if state.nested:
        absmax = bnb.dequantize_blockwise(absmax, state.state2) + state.offset
    padding = groups * 4 - blocks
    codes = functional.pad(weight.view(torch.uint8).view(n, blocks, 32), (0, 0, 0, padding)).view(torch.int32)
    # [tile, half, g, block, t, word] -> [tile, block, g, t, half, word]
    words = codes.view(n // 16, 2, 8, groups * 4, 4, 2).permute(0, 3, 2, 4, 1, 5)
    # [tile, half, g, group, block] -> [tile, group, g, block, half]
    scales = functional.pad(absmax.view(n, blocks).half(), (0, padding)).view(n // 16, 2, 8, groups, 4)
    return words.reshape(n, groups * 32), scales.permute(0, 3, 2, 4, 1).reshape(n, groups * 4)


def dequantise(words: torch.Tensor, scales: torch.Tensor, k: int) -> torch.Tensor:
    """Weights [N, k] in bf16."""
    n, groups = words.shape[0], words.shape[1] // 32
    out = torch.empty(n, k, dtype=torch.bfloat16, device=words.device)
    warps = n // 16 * groups * 4
    _cuda()["dequantise"](
        grid=(triton.cdiv(warps, 8), 1, 1),
        block=(256, 1, 1),
        args=[words, scales, _pairs(words.device), out, k, groups, n // 16],
    )
    return out


def join(parts: Sequence[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """LoRA's B of layers that share their input, each [slots, N_i, rank], in one [slots, N, rank], and their views."""
    whole = parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)
    return whole, list(whole.split([part.shape[1] for part in parts], dim=1))


def product(
    x: torch.Tensor,
    words: torch.Tensor,
    scales: torch.Tensor,
    a: torch.Tensor,
    rows: RowSlots,
    *,
    rank: int,  # noqa: ARG001 - the layers' products are one here
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns x W^T, [M, N], and LoRA's x A^T, [M, R], in fp32. x: [M, K] bf16, M <= SMALL_BATCH; a: [slots, R, K]."""
    x = x.contiguous()
    (m, k), n, r = x.shape, words.shape[0], a.shape[1]
    sums = torch.empty(m, n, dtype=torch.float32, device=x.device)
    low = torch.empty(m, r, dtype=torch.float32, device=x.device)
    eights, tiles = next(variant for variant in _VARIANTS if m <= 8 * variant[0])
    lora = min(m, rows.most) * triton.cdiv(r, 16)
    _cuda()[f"product<{eights}, {tiles}>"](
        grid=(lora + n // (16 * tiles), 1, 1),
        block=(256, 1, 1),
        args=[x, words, scales, a, rows.index, _pairs(x.device), sums, low, m, k, words.shape[1] // 32, n, r, lora],
    )
    return sums, low


def finish(
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
    """[M, N] bf16: the product, plus LoRA's B, plus bias, times factor, plus residual.

    `segments` are the widths of the layers fused into N (at most three); `b` is from `join`.
    """
    m, n = sums.shape
    edges = (*segments, 1 << 30, 1 << 30)
    first, second = edges[0], edges[0] + edges[1]
    out = torch.empty(m, n, dtype=torch.bfloat16, device=sums.device)
    triton_ends.finish[(triton.cdiv(n, 64), m)](
        sums, low, b, rows.index, b if bias is None else bias, b if residual is None else residual, out, FIRST=first,
        SECOND=second, N=n, R=low.shape[1], RANK=b.shape[2], BN=64, HAS_BIAS=bias is not None,
        HAS_RESIDUAL=residual is not None, FACTOR=factor, num_warps=2,
    )  # fmt: skip
    return out


def finish_gated(
    sums: torch.Tensor, low: torch.Tensor, b: torch.Tensor, rows: RowSlots, activation: Activation
) -> torch.Tensor:
    """[M, N / 2] bf16: activation(gate) * up of a fused gate and up product."""
    m, n = sums.shape
    out = torch.empty(m, n // 2, dtype=torch.bfloat16, device=sums.device)
    triton_ends.finish_gated[(triton.cdiv(n // 2, 64), m)](
        sums, low, b, rows.index, out, HALF=n // 2, R=low.shape[1], RANK=b.shape[2], BN=64, SILU=activation == "silu",
        num_warps=2,
    )  # fmt: skip
    return out


def gated(y: torch.Tensor, activation: Activation) -> torch.Tensor:
    """[M, N / 2] bf16: activation(gate) * up of the two halves of [M, N]."""
    m, n = y.shape
    out = torch.empty(m, n // 2, dtype=torch.bfloat16, device=y.device)
    triton_ends.gated[(triton.cdiv(n // 2, 1024), m)](
        y, out, HALF=n // 2, BN=1024, SILU=activation == "silu", num_warps=4
    )
    return out


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float, residual: torch.Tensor | None = None) -> torch.Tensor:
    """RMS norm of [M, N], rounded as the family's module rounds it, plus residual."""
    out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    triton_norms.rms_norm[(x.shape[0],)](
        x, weight, x if residual is None else residual, out, eps, x.stride(0), N=x.shape[1],
        BN=triton.next_power_of_2(x.shape[1]), HAS_RESIDUAL=residual is not None, num_warps=8,
    )  # fmt: skip
    return out


@functools.cache
def _cuda() -> dict[str, Any]:
    source = files("model.fused.gpu").joinpath("nf4.cu").read_text("utf-8")
    return compile_kernels(source, ["dequantise", *(f"product<{rows}, {tiles}>" for rows, tiles in _VARIANTS)])


@functools.cache
def _pairs(device: torch.device) -> torch.Tensor:
    """[256] int32: the two bf16 values that a byte of codes means, the first code's in the low half."""
    codes = bnb.get_4bit_type("nf4", device="cpu").to(torch.bfloat16)
    byte = torch.arange(256)
    return torch.stack((codes[byte >> 4], codes[byte & 15]), dim=1).view(torch.int32)[:, 0].contiguous().to(device)
