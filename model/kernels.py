"""The GPU kernels as functions on tensors: shapes, grids and scratch space. The kernels are model/triton_kernels.py's.

Import only where Triton is (`model.packed.kernels_for` says).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import triton
from bitsandbytes import functional as bnb
from torch.nn import functional

from model import triton_kernels as kernel

__all__ = [
    "FEW_ROWS",
    "PADDED_ROWS",
    "attend",
    "begin_step",
    "dequantise",
    "finish",
    "finish_gated",
    "fits",
    "make_head",
    "pack",
    "product",
    "rms_norm",
    "settled",
]

FEW_ROWS = 32  # up to here a product reads 4-bit weights directly; beyond, de-quantising first is faster
PADDED_ROWS = FEW_ROWS  # kernels are compiled for each number of rows: a short prompt is padded to one number for all

PLANE = 64  # inputs that share one scale: the NF4 block size
TILE = 512  # inputs of one row in 64 words

# Measured on one H100: other sizes and deeper splits were slower for every shape of a 7B model.
_TILE_ROWS = 64
_SPLITS = 4
_WIDE = 16_384  # outputs from which half the splits already fill the GPU


def fits(inputs: int, outputs: int, head_dim: int) -> bool:
    """Whether a linear layer of this size, in a model of this head width, can be computed here."""
    return inputs > 0 and outputs % 64 == 0 and head_dim in (32, 64, 128, 256)  # a tile belongs to one fused layer


def settled(scales: torch.Tensor) -> torch.Tensor:
    """Scales of layers put together, as `product` reads them."""
    return scales


def make_head(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The output layer: [M, hidden] -> logits [M, vocabulary]."""
    return lambda x: functional.linear(x, weight)


def begin_step(
    rotary: tuple[torch.Tensor, torch.Tensor],
    positions: torch.Tensor,
    rows: int,  # noqa: ARG001 - the shape of qkv says it
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor]:
    """What the layers of one decode step share. rotary: cos and sin, [length, head_dim]; positions: [rows] at least."""
    return rotary, positions


def pack(weight: torch.Tensor, state: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Bitsandbytes' NF4 weight in planes: words [N, tiles * 64] int32 and scales [N, tiles * 8] fp16.

    Inputs beyond a multiple of 512 are padded with scale 0. The scales are the de-quantised absmax values, rounded to
    fp16 (relative error 2^-11, below the rounding of a weight to bf16).
    """
    n, k = state.shape
    tiles = -(-k // TILE)
    absmax = state.absmax
    if state.nested:
        absmax = bnb.dequantize_blockwise(absmax, state.state2) + state.offset
    scales = torch.zeros(n, tiles * 8, dtype=torch.float16, device=weight.device)
    scales[:, : k // PLANE] = absmax.view(n, k // PLANE).half()
    packed = weight.view(torch.uint8).view(n, k // 2)
    codes = torch.zeros(n, tiles * TILE, dtype=torch.uint8, device=weight.device)
    codes[:, 0:k:2], codes[:, 1:k:2] = packed >> 4, packed & 15
    planes = codes.view(n, tiles, 8, 64)
    words = torch.zeros(n, tiles, 64, dtype=torch.int32, device=weight.device)
    for plane in range(8):
        words |= planes[:, :, plane].to(torch.int32) << (4 * plane)
    return words.view(n, tiles * 64), scales


def dequantise(words: torch.Tensor, scales: torch.Tensor, k: int) -> torch.Tensor:
    """Weights [N, k] in bf16."""
    n, tiles = words.shape[0], words.shape[1] // 64
    out = torch.empty(n, k, dtype=torch.bfloat16, device=words.device)
    kernel.dequantise[(triton.cdiv(n, 16), tiles)](words, scales, out, N=n, K=k, TILES=tiles, BN=16, num_warps=4)
    return out


def product(
    x: torch.Tensor,
    words: torch.Tensor,
    scales: torch.Tensor,
    a: torch.Tensor,
    *,
    rank: int,  # noqa: ARG001 - the layers' products are one here
) -> tuple[torch.Tensor, torch.Tensor]:
    """Partial sums of x W^T, [splits, M, N], and of LoRA's x A^T, [splits, M, R], fp32. x: [M, K] bf16; a: [R, K]."""
    m, k = x.shape
    n, tiles, r = words.shape[0], words.shape[1] // 64, a.shape[0]
    splits = min(_SPLITS if n < _WIDE else _SPLITS // 2, tiles)
    sums = torch.empty(splits, m, n, dtype=torch.float32, device=x.device)
    low = torch.empty(splits, m, r, dtype=torch.float32, device=x.device)
    rows = max(16, triton.next_power_of_2(m))
    grid = (triton.cdiv(n, _TILE_ROWS) + 1, splits)
    kernel.product[grid](
        x, words, scales, a, sums, low, M=m, K=k, TILES=tiles, N=n, R=r, BM=rows, BN=_TILE_ROWS,
        BR=max(16, triton.next_power_of_2(r)), SPLITS=splits, num_warps=4,
    )  # fmt: skip
    return sums, low


def finish(
    sums: torch.Tensor,
    low: torch.Tensor,
    b: torch.Tensor,
    segments: tuple[int, ...],
    *,
    bias: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
) -> torch.Tensor:
    """[M, N] bf16: the summed product, plus LoRA's B, plus bias, plus residual.

    `segments` are the widths of the layers fused into N (at most three); `b` is [N, rank].
    """
    splits, m, n = sums.shape
    edges = (*segments, 1 << 30, 1 << 30)
    first, second = edges[0], edges[0] + edges[1]
    out = torch.empty(m, n, dtype=torch.bfloat16, device=sums.device)
    kernel.finish[(triton.cdiv(n, 64), m)](
        sums, low, b, b if bias is None else bias, b if residual is None else residual, out, FIRST=first, SECOND=second,
        M=m, N=n, R=low.shape[2], RANK=b.shape[1], SPLITS=splits, BN=64, HAS_BIAS=bias is not None,
        HAS_RESIDUAL=residual is not None, num_warps=2,
    )  # fmt: skip
    return out


def finish_gated(sums: torch.Tensor, low: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """[M, N / 2] bf16: silu(gate) * up of a fused gate and up product."""
    splits, m, n = sums.shape
    out = torch.empty(m, n // 2, dtype=torch.bfloat16, device=sums.device)
    kernel.finish_gated[(triton.cdiv(n // 2, 64), m)](
        sums, low, b, out, M=m, HALF=n // 2, R=low.shape[2], RANK=b.shape[1], SPLITS=splits, BN=64, num_warps=2
    )
    return out


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """RMS norm of [M, N], as Llama's module rounds it."""
    out = torch.empty_like(x)
    kernel.rms_norm[(x.shape[0],)](
        x, weight, out, eps, N=x.shape[1], BN=triton.next_power_of_2(x.shape[1]), num_warps=8
    )
    return out


def attend(
    qkv: torch.Tensor,
    step: tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor],
    keys: torch.Tensor,
    values: torch.Tensor,
    *,
    scale: float,
    window: int = 0,
    norms: tuple[torch.Tensor, torch.Tensor, float] | None = None,
) -> torch.Tensor:
    """One decode step of attention for M rows; stores the new keys and values. Returns [M, heads * head_dim] bf16.

    qkv: [M, (heads + 2 * kv_heads) * head_dim]; step: begin_step's; keys, values: [rows, kv_heads, length, head_dim];
    norms: query and key RMS norm weights and epsilon.
    """
    rotary, positions = step
    m = qkv.shape[0]
    _, kv, length, dim = keys.shape
    heads = qkv.shape[1] // dim - 2 * kv
    splits = max(1, min(16, triton.next_power_of_2(128 // (m * kv) or 1)))
    top = torch.empty(m, heads, splits, dtype=torch.float32, device=qkv.device)
    total = torch.empty_like(top)
    mixed = torch.empty(m, heads, splits, dim, dtype=torch.float32, device=qkv.device)
    q_norm, k_norm, eps = norms or (qkv, qkv, 0.0)
    kernel.attend[(m, kv, splits)](
        qkv, *rotary, keys, values, positions, q_norm, k_norm, top, total, mixed, scale, eps, WINDOW=window, H=heads,
        KV=kv, D=dim, T=length, BG=max(16, triton.next_power_of_2(heads // kv)), BT=64, SPLITS=splits,
        NORMED=norms is not None, num_warps=4,
    )  # fmt: skip
    out = torch.empty(m, heads * dim, dtype=torch.bfloat16, device=qkv.device)
    kernel.combine[(m * heads,)](top, total, mixed, out, D=dim, SPLITS=splits, num_warps=2)
    return out
