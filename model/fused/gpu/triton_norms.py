"""Triton kernels of a pass on a GPU: RMS norms of rows, and of heads inside attention."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def weighted(values, weight):
    """A norm's end: a weight in bf16 is multiplied after rounding, as Llama's modules do, one in fp32 before."""
    if weight.dtype != tl.float32:
        values = values.to(tl.bfloat16).to(tl.float32)
    return (weight.to(tl.float32) * values).to(tl.bfloat16).to(tl.float32)


@triton.jit
def rms_norm(x, weight, residual, out, eps, stride, N: tl.constexpr, BN: tl.constexpr, HAS_RESIDUAL: tl.constexpr):
    m = tl.program_id(0).to(tl.int64)
    n = tl.arange(0, BN)
    values = tl.load(x + m * stride + n, mask=n < N, other=0.0).to(tl.float32)
    values = values * tl.rsqrt(tl.sum(values * values, 0) / N + eps)
    values = weighted(values, tl.load(weight + n, mask=n < N, other=0.0))
    if HAS_RESIDUAL:
        values += tl.load(residual + m * N + n, mask=n < N, other=0.0).to(tl.float32)
    tl.store(out + m * N + n, values.to(tl.bfloat16), mask=n < N)


@triton.jit
def half_norm(first, second, weight, eps, d1, d2, D: tl.constexpr):
    """RMS norm over a head whose two halves are [..., D / 2] each (Qwen 3 normalises queries and keys)."""
    square = tl.sum(first * first, -1) + tl.sum(second * second, -1)
    factor = tl.rsqrt(square / D + eps)
    first = weighted(first * factor[:, None], tl.load(weight + d1)[None, :])
    second = weighted(second * factor[:, None], tl.load(weight + d2)[None, :])
    return first, second
