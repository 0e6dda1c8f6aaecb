"""Triton kernels of a training pass: norms, rotation, the gate, cross entropy and dropout, forward and back.

They are called through model/fused/gpu/training_kernels.py. What they compute is written down in torch in
`trainer.training.packed_operations`, and rounded as there.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def norm(x, weight, out, eps, N: tl.constexpr, BN: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    n = tl.arange(0, BN)
    inside = n < N
    v = tl.load(x + row * N + n, mask=inside, other=0.0).to(tl.float32)
    w = tl.load(weight + n, mask=inside, other=0.0).to(tl.float32)
    normed = (v * tl.rsqrt(tl.sum(v * v, 0) / N + eps)).to(out.dtype.element_ty)
    tl.store(out + row * N + n, (w * normed.to(tl.float32)).to(out.dtype.element_ty), mask=inside)


@triton.jit
def norm_backward(grad, x, weight, beside, out, eps, N: tl.constexpr, BN: tl.constexpr, BESIDE: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    n = tl.arange(0, BN)
    inside = n < N
    v = tl.load(x + row * N + n, mask=inside, other=0.0).to(tl.float32)
    inverse = tl.rsqrt(tl.sum(v * v, 0) / N + eps)
    normed = v * inverse
    slope = tl.load(grad + row * N + n, mask=inside, other=0.0).to(tl.float32)
    slope *= tl.load(weight + n, mask=inside, other=0.0).to(tl.float32)
    slope = inverse * (slope - normed * (tl.sum(slope * normed, 0) / N))
    if BESIDE:
        slope += tl.load(beside + row * N + n, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + row * N + n, slope.to(out.dtype.element_ty), mask=inside)


@triton.jit
def rotate(
    qkv,
    cos,
    sin,
    positions,
    q_norm,
    k_norm,
    out,
    eps,
    H: tl.constexpr,
    KV: tl.constexpr,
    D: tl.constexpr,
    BH: tl.constexpr,
    OUT_ROW: tl.constexpr,
    NORMED: tl.constexpr,
):
    """BH heads of one token; in place where `out` is qkv."""
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1) * BH + tl.arange(0, BH)
    d = tl.arange(0, D // 2)
    inside = (head < H + KV)[:, None]
    at = tl.load(positions + token)
    c = tl.load(cos + at * (D // 2) + d)[None, :]
    s = tl.load(sin + at * (D // 2) + d)[None, :]
    place = head[:, None] * D + d[None, :]
    x1 = tl.load(qkv + token * ((H + 2 * KV) * D) + place, mask=inside, other=0.0).to(tl.float32)
    x2 = tl.load(qkv + token * ((H + 2 * KV) * D) + place + D // 2, mask=inside, other=0.0).to(tl.float32)
    if NORMED:
        dtype = out.dtype.element_ty
        inverse = tl.rsqrt((tl.sum(x1 * x1, 1) + tl.sum(x2 * x2, 1)) / D + eps)[:, None]
        asks = (head < H)[:, None]
        w1 = tl.where(asks, tl.load(q_norm + d)[None, :], tl.load(k_norm + d)[None, :]).to(tl.float32)
        w2 = tl.where(asks, tl.load(q_norm + D // 2 + d)[None, :], tl.load(k_norm + D // 2 + d)[None, :])
        x1 = (w1 * (x1 * inverse).to(dtype).to(tl.float32)).to(dtype).to(tl.float32)
        x2 = (w2.to(tl.float32) * (x2 * inverse).to(dtype).to(tl.float32)).to(dtype).to(tl.float32)
    tl.store(out + token * OUT_ROW + place, (x1 * c - x2 * s).to(out.dtype.element_ty), mask=inside)
    tl.store(out + token * OUT_ROW + place + D // 2, (x2 * c + x1 * s).to(out.dtype.element_ty), mask=inside)


@triton.jit
def rotate_backward(
    of_q,
    of_k,
    of_v,
    qkv,
    cos,
    sin,
    positions,
    q_norm,
    k_norm,
    out,
    eps,
    H: tl.constexpr,
    KV: tl.constexpr,
    D: tl.constexpr,
    BH: tl.constexpr,
    NORMED: tl.constexpr,
):
    """BH heads of one token, queries, keys or values."""
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1) * BH + tl.arange(0, BH)
    d = tl.arange(0, D // 2)
    asks, is_value = (head < H)[:, None], (head >= H + KV)[:, None]
    is_key = (head >= H)[:, None] & (head < H + KV)[:, None]
    inside = (head < H + 2 * KV)[:, None]
    at = tl.load(positions + token)
    c = tl.load(cos + at * (D // 2) + d)[None, :]
    s = tl.load(sin + at * (D // 2) + d)[None, :]
    row, half = head[:, None] * D + d[None, :], D // 2
    q_at, k_at = of_q + token * (H * D) + row, of_k + token * (KV * D) + row - H * D
    v_at = of_v + token * (KV * D) + row - (H + KV) * D
    g1 = tl.load(q_at, mask=asks, other=0.0).to(tl.float32) + tl.load(k_at, mask=is_key, other=0.0).to(tl.float32)
    g2 = tl.load(q_at + half, mask=asks, other=0.0).to(tl.float32)
    g2 += tl.load(k_at + half, mask=is_key, other=0.0).to(tl.float32)
    v1 = tl.load(v_at, mask=is_value & inside, other=0.0).to(tl.float32)
    v2 = tl.load(v_at + half, mask=is_value & inside, other=0.0).to(tl.float32)
    r1, r2 = g1 * c + g2 * s, g2 * c - g1 * s
    place = token * ((H + 2 * KV) * D) + row
    if NORMED:
        dtype = out.dtype.element_ty
        x1 = tl.load(qkv + place, mask=inside, other=0.0).to(tl.float32)
        x2 = tl.load(qkv + place + half, mask=inside, other=0.0).to(tl.float32)
        inverse = tl.rsqrt((tl.sum(x1 * x1, 1) + tl.sum(x2 * x2, 1)) / D + eps)[:, None]
        x1, x2 = x1 * inverse, x2 * inverse
        w1 = tl.where(asks, tl.load(q_norm + d)[None, :], tl.load(k_norm + d)[None, :]).to(tl.float32)
        w2 = tl.where(asks, tl.load(q_norm + half + d)[None, :], tl.load(k_norm + half + d)[None, :]).to(tl.float32)
        r1, r2 = r1.to(dtype).to(tl.float32) * w1, r2.to(dtype).to(tl.float32) * w2
        mean = ((tl.sum(r1 * x1, 1) + tl.sum(r2 * x2, 1)) / D)[:, None]
        r1, r2 = inverse * (r1 - x1 * mean), inverse * (r2 - x2 * mean)
    tl.store(out + place, tl.where(is_value, v1, r1).to(out.dtype.element_ty), mask=inside)
    tl.store(out + place + half, tl.where(is_value, v2, r2).to(out.dtype.element_ty), mask=inside)


@triton.jit
def _row_and_columns(N: tl.constexpr, BN: tl.constexpr):
    """Of one program of a grid of one dimension: a second one of CUDA's ends at 65,535, and a pass may be longer."""
    program = tl.program_id(0)
    return (program // tl.cdiv(N, BN)).to(tl.int64), program % tl.cdiv(N, BN) * BN + tl.arange(0, BN)


@triton.jit
def gate(gate_up, out, N: tl.constexpr, BN: tl.constexpr):
    row, n = _row_and_columns(N, BN)
    inside = n < N
    g = tl.load(gate_up + row * (2 * N) + n, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(gate_up + row * (2 * N) + N + n, mask=inside, other=0.0).to(tl.float32)
    opened = (g * tl.sigmoid(g)).to(out.dtype.element_ty).to(tl.float32)
    tl.store(out + row * N + n, (opened * u).to(out.dtype.element_ty), mask=inside)


@triton.jit
def gate_backward(grad, gate_up, N: tl.constexpr, BN: tl.constexpr):
    row, n = _row_and_columns(N, BN)
    inside = n < N
    dtype = grad.dtype.element_ty
    g = tl.load(gate_up + row * (2 * N) + n, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(gate_up + row * (2 * N) + N + n, mask=inside, other=0.0).to(tl.float32)
    h = tl.load(grad + row * N + n, mask=inside, other=0.0).to(tl.float32)
    share = tl.sigmoid(g)
    opened = (g * share).to(dtype).to(tl.float32)
    tl.store(gate_up + row * (2 * N) + n, (h * u * share * (1 + g * (1 - share))).to(dtype), mask=inside)
    tl.store(gate_up + row * (2 * N) + N + n, (h * opened).to(dtype), mask=inside)
    tl.store(grad + row * N + n, (opened * u).to(dtype), mask=inside)


@triton.jit
def slope(scores, targets, losses, N, BN: tl.constexpr):
    """Cross entropy of one row, whose scores turn into softmax minus one at the target."""
    row = tl.program_id(0).to(tl.int64)
    base = scores + row * N
    n = tl.arange(0, BN)
    best = tl.full((BN,), -float("inf"), tl.float32)
    total = tl.zeros((BN,), tl.float32)
    for start in range(0, N, BN):
        v = tl.load(base + start + n, mask=start + n < N, other=-float("inf")).to(tl.float32)
        higher = tl.maximum(best, v)
        safe = tl.where(higher == -float("inf"), 0.0, higher)
        total = total * tl.exp(best - safe) + tl.exp(v - safe)
        best = higher
    top = tl.max(best, 0)
    normaliser = top + tl.log(tl.sum(total * tl.exp(best - top), 0))
    target = tl.load(targets + row)
    tl.store(losses + row, normaliser - tl.load(base + target).to(tl.float32))
    tl.debug_barrier()
    for start in range(0, N, BN):
        inside = start + n < N
        v = tl.load(base + start + n, mask=inside, other=-float("inf")).to(tl.float32)
        change = tl.exp(v - normaliser) - tl.where(start + n == target, 1.0, 0.0)
        tl.store(base + start + n, change.to(scores.dtype.element_ty), mask=inside)


@triton.jit
def _mixed(x):
    x = (x ^ (x >> 16)) * 0x7FEB352D
    x = (x ^ (x >> 15)) * 0x846CA68B
    return x ^ (x >> 16)


@triton.jit(do_not_specialize=["salt", "threshold"])
def drop(x, seed, out, salt, threshold, factor, count, BN: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * BN  # beyond 32 bits in long passes of wide layers
    n = tl.arange(0, BN)
    inside = n < tl.minimum(count - start, BN).to(tl.int32)
    key = _mixed((tl.load(seed) + salt).to(tl.uint32))
    stays = _mixed((start.to(tl.uint32) + n.to(tl.uint32)) ^ key) >= threshold.to(tl.uint32)
    v = tl.load(x + start + n, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + start + n, tl.where(stays, v * factor, 0.0).to(out.dtype.element_ty), mask=inside)
