"""Triton kernels that end a product on a GPU: LoRA's B, bias, residual and gate.

They are few and fused, because at a few rows each costs its launch. The products are CUDA (nf4.cu). Like the other
Triton kernels they are called through model/fused/gpu/kernels.py, which documents their inputs and outputs.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _column(
    sums,
    low,
    b,
    slot,
    bias,
    m,
    n,
    segment,
    N: tl.constexpr,
    R: tl.constexpr,
    RANK: tl.constexpr,
    HAS_BIAS: tl.constexpr,
):
    y = tl.load(sums + m * N + n, mask=n < N, other=0.0)
    r = tl.arange(0, RANK)
    adapted = tl.where(slot >= 0, 1, 0)  # otherwise `low` holds nothing
    t = tl.load(low + m * R + segment * RANK + r, mask=r < RANK * adapted, other=0.0)
    inside = (n < N * adapted)[:, None]
    delta = tl.load(b + slot * (N * RANK) + n[:, None] * RANK + r[None, :], mask=inside, other=0.0).to(tl.float32)
    y += tl.sum(delta * t[None, :], 1)
    if HAS_BIAS:
        y += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)
    return y


@triton.jit
def finish(
    sums,
    low,
    b,
    slots,
    bias,
    residual,
    out,
    FIRST: tl.constexpr,
    SECOND: tl.constexpr,
    N: tl.constexpr,
    R: tl.constexpr,
    RANK: tl.constexpr,
    BN: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
    FACTOR: tl.constexpr,
):
    start, m = tl.program_id(0) * BN, tl.program_id(1)
    n = start + tl.arange(0, BN)
    segment = (start >= FIRST).to(tl.int32) + (start >= SECOND).to(tl.int32)
    slot = tl.load(slots + m).to(tl.int64)
    y = _column(sums, low, b, slot, bias, m, n, segment, N, R, RANK, HAS_BIAS)
    if FACTOR != 1.0:
        y = y.to(tl.bfloat16).to(tl.float32) * FACTOR
    if HAS_RESIDUAL:
        y = y.to(tl.bfloat16).to(tl.float32) + tl.load(residual + m * N + n, mask=n < N, other=0.0).to(tl.float32)
    tl.store(out + m * N + n, y.to(tl.bfloat16), mask=n < N)


@triton.jit
def _activated(gate, SILU: tl.constexpr):
    """Silu, or GELU in its tanh form (arXiv:1606.08415): 0.5 x (1 + tanh(u)) is x / (1 + e^-2u)."""
    if SILU:
        y = gate / (1.0 + tl.exp(-gate))
    else:
        y = gate / (1.0 + tl.exp(-1.5957691216057308 * (gate + 0.044715 * gate * gate * gate)))
    return y.to(tl.bfloat16).to(tl.float32)


@triton.jit
def finish_gated(
    sums,
    low,
    b,
    slots,
    out,
    HALF: tl.constexpr,
    R: tl.constexpr,
    RANK: tl.constexpr,
    BN: tl.constexpr,
    SILU: tl.constexpr,
):
    m = tl.program_id(1)
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    inside = n < HALF
    n = tl.where(inside, n, 0)
    slot = tl.load(slots + m).to(tl.int64)
    gate = _column(sums, low, b, slot, b, m, n, 0, 2 * HALF, R, RANK, False).to(tl.bfloat16).to(tl.float32)
    last: tl.constexpr = R // RANK - 1  # a layer of gate and up in one has one part of LoRA
    up = _column(sums, low, b, slot, b, m, n + HALF, last, 2 * HALF, R, RANK, False).to(tl.bfloat16).to(tl.float32)
    tl.store(out + m * HALF + n, (_activated(gate, SILU) * up).to(tl.bfloat16), mask=inside)


@triton.jit
def gated(y, out, HALF: tl.constexpr, BN: tl.constexpr, SILU: tl.constexpr):
    m = tl.program_id(1).to(tl.int64)
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    gate = tl.load(y + m * 2 * HALF + n, mask=n < HALF, other=0.0).to(tl.float32)
    up = tl.load(y + m * 2 * HALF + HALF + n, mask=n < HALF, other=0.0).to(tl.float32)
    tl.store(out + m * HALF + n, (_activated(gate, SILU) * up).to(tl.bfloat16), mask=n < HALF)
