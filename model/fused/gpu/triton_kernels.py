"""Triton kernels for one decode step of a few rows on a GPU: the ends of products, RMS norm, attention over the slots.

They are few and fused, because at a few rows each costs its launch. The products are CUDA (nf4.cu). They are called
through model/fused/gpu/kernels.py, which documents their inputs and outputs.
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


@triton.jit
def _weighted(values, weight):
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
    values = _weighted(values, tl.load(weight + n, mask=n < N, other=0.0))
    if HAS_RESIDUAL:
        values += tl.load(residual + m * N + n, mask=n < N, other=0.0).to(tl.float32)
    tl.store(out + m * N + n, values.to(tl.bfloat16), mask=n < N)


@triton.jit
def _first(D: tl.constexpr, TURNED: tl.constexpr):
    """Which number of a head each of D / 2 pairs has first: a position turns the first TURNED, half against half."""
    d = tl.arange(0, D // 2)
    if TURNED < D:
        d = tl.where(d < TURNED // 2, d, d + TURNED // 2)
    return d


@triton.jit
def _second(D: tl.constexpr, TURNED: tl.constexpr):
    """Which number of a head each of D / 2 pairs has second."""
    d = tl.arange(0, D // 2)
    second = d + D // 2
    if TURNED < D:
        second = tl.where(d < TURNED // 2, d + TURNED // 2, second)
    return second


@triton.jit
def _half_norm(first, second, weight, eps, d1, d2, D: tl.constexpr):
    """RMS norm over a head whose two halves are [..., D / 2] each (Qwen 3 normalises queries and keys)."""
    square = tl.sum(first * first, -1) + tl.sum(second * second, -1)
    factor = tl.rsqrt(square / D + eps)
    first = _weighted(first * factor[:, None], tl.load(weight + d1)[None, :])
    second = _weighted(second * factor[:, None], tl.load(weight + d2)[None, :])
    return first, second


@triton.jit
def _new_key(row, head, cos, sin, weight, eps, at, D: tl.constexpr, TURNED: tl.constexpr, NORMED: tl.constexpr):
    """The key of one new token and head, rotated: its two halves, [1, D / 2] each."""
    d1 = _first(D, TURNED)
    d2 = _second(D, TURNED)
    k_at = row + head * D + tl.arange(0, 1)[:, None]
    k1 = tl.load(k_at + d1[None, :]).to(tl.float32)
    k2 = tl.load(k_at + d2[None, :]).to(tl.float32)
    if NORMED:
        k1, k2 = _half_norm(k1, k2, weight, eps, d1, d2, D)
    c = tl.load(cos + at * D + d1).to(tl.float32)[None, :]
    s = tl.load(sin + at * D + d1).to(tl.float32)[None, :]
    return (k1 * c - k2 * s).to(tl.bfloat16), (k2 * c + k1 * s).to(tl.bfloat16)


@triton.jit
def store(
    qkv,
    cos,
    sin,
    keys,
    values,
    positions,
    owners,
    k_norm,
    eps,
    H: tl.constexpr,
    KV: tl.constexpr,
    D: tl.constexpr,
    T: tl.constexpr,
    TURNED: tl.constexpr,
    NORMED: tl.constexpr,
):
    """Only the new key and value of one token and head: the tokens of a prompt must find each other's in the cache."""
    b, h = tl.program_id(0).to(tl.int64), tl.program_id(1)
    at = tl.minimum(tl.load(positions + b), T - 1)
    row = qkv + b * (H + 2 * KV) * D
    n1, n2 = _new_key(row, H + h, cos, sin, k_norm, eps, at, D, TURNED, NORMED)
    slot = ((tl.load(owners + b) * KV + h) * T + at) * D
    one = tl.arange(0, 1)[:, None]
    full = tl.arange(0, D)
    tl.store(keys + slot + one + _first(D, TURNED)[None, :], n1)
    tl.store(keys + slot + one + _second(D, TURNED)[None, :], n2)
    tl.store(values + slot + full, tl.load(row + (H + KV + h) * D + full))


@triton.jit
def attend(
    qkv,
    cos,
    sin,
    keys,
    values,
    positions,
    owners,
    q_norm,
    k_norm,
    top,
    total,
    mixed,
    scale,
    eps,
    WINDOW: tl.constexpr,
    H: tl.constexpr,
    KV: tl.constexpr,
    D: tl.constexpr,
    T: tl.constexpr,
    BG: tl.constexpr,
    BT: tl.constexpr,
    SPLITS: tl.constexpr,
    TURNED: tl.constexpr,
    NORMED: tl.constexpr,
):
    """One token, one key/value head, one part of the past: rotate, store the new key and value, attend.

    The token belongs to cache row `owners[b]` and stands at `positions[b]`.
    """
    b, h, split = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    G: tl.constexpr = H // KV
    at = tl.minimum(tl.load(positions + b), T - 1)
    d1 = _first(D, TURNED)
    d2 = _second(D, TURNED)
    full = tl.arange(0, D)
    g = tl.arange(0, BG)
    c = tl.load(cos + at * D + d1).to(tl.float32)
    s = tl.load(sin + at * D + d1).to(tl.float32)
    row = qkv + b * (H + 2 * KV) * D
    q_at = row + (h * G + g)[:, None] * D
    q1 = tl.load(q_at + d1[None, :], mask=(g < G)[:, None], other=0.0).to(tl.float32)
    q2 = tl.load(q_at + d2[None, :], mask=(g < G)[:, None], other=0.0).to(tl.float32)
    one = tl.arange(0, 1)
    if NORMED:
        q1, q2 = _half_norm(q1, q2, q_norm, eps, d1, d2, D)
    r1 = (q1 * c[None, :] - q2 * s[None, :]).to(tl.bfloat16)
    r2 = (q2 * c[None, :] + q1 * s[None, :]).to(tl.bfloat16)
    n1, n2 = _new_key(row, H + h, cos, sin, k_norm, eps, at, D, TURNED, NORMED)
    v_new = tl.load(row + (H + KV + h) * D + full)
    owner = tl.load(owners + b)
    past_k = keys + (owner * KV + h) * T * D
    past_v = values + (owner * KV + h) * T * D
    begin = 0
    if WINDOW > 0:
        begin = tl.maximum(0, at + 1 - WINDOW)
    part = tl.cdiv(tl.cdiv(at - begin, SPLITS), BT) * BT
    start = begin + split * part
    end = tl.minimum(start + part, at)
    best = tl.full((BG,), -1e30, tl.float32)
    weight = tl.zeros((BG,), tl.float32)
    acc = tl.zeros((BG, D), tl.float32)
    if split == 0:
        tl.store(past_k + at * D + one[:, None] + d1[None, :], n1)
        tl.store(past_k + at * D + one[:, None] + d2[None, :], n2)
        tl.store(past_v + at * D + full, v_new)
        best = tl.sum(r1.to(tl.float32) * n1.to(tl.float32), 1) + tl.sum(r2.to(tl.float32) * n2.to(tl.float32), 1)
        best = best * scale
        weight += 1.0
        acc += v_new.to(tl.float32)[None, :]
    for t0 in range(start, end, BT):
        t = t0 + tl.arange(0, BT)
        k_past = past_k + t[None, :] * D
        inside = t < end
        left = tl.load(k_past + d1[:, None], mask=inside[None, :], other=0.0)
        right = tl.load(k_past + d2[:, None], mask=inside[None, :], other=0.0)
        scores = (tl.dot(r1, left) + tl.dot(r2, right)) * scale
        scores = tl.where(inside[None, :], scores, -1e30)
        higher = tl.maximum(best, tl.max(scores, 1))
        shrink = tl.exp(best - higher)
        p = tl.exp(scores - higher[:, None])
        weight = weight * shrink + tl.sum(p, 1)
        v = tl.load(past_v + t[:, None] * D + full[None, :], mask=inside[:, None], other=0.0)
        acc = acc * shrink[:, None] + tl.dot(p.to(tl.bfloat16), v)
        best = higher
    place = (b * H + h * G + g) * SPLITS + split
    tl.store(top + place, best, mask=g < G)
    tl.store(total + place, weight, mask=g < G)
    tl.store(mixed + place[:, None] * D + full[None, :], acc, mask=(g < G)[:, None])


@triton.jit
def _over_keys(
    r1,
    r2,
    past_k,
    past_v,
    start,
    end,
    at,
    best,
    weight,
    acc,
    scale,
    MASKED: tl.constexpr,
    WINDOW: tl.constexpr,
    D: tl.constexpr,
    T: tl.constexpr,
    BT: tl.constexpr,
    TURNED: tl.constexpr,
):
    """Continue the softmax over keys `start` to `end` - 1, in base 2; without MASKED every query sees them all."""
    d1 = _first(D, TURNED)[:, None]
    d2 = _second(D, TURNED)[:, None]
    full = tl.arange(0, D)
    for t0 in range(start, end, BT):
        t = t0 + tl.arange(0, BT)
        k_at = past_k + t[None, :] * D
        v_at = past_v + t[:, None] * D + full[None, :]
        if MASKED:
            left = tl.load(k_at + d1, mask=(t < T)[None, :], other=0.0)
            right = tl.load(k_at + d2, mask=(t < T)[None, :], other=0.0)
            v = tl.load(v_at, mask=(t < T)[:, None], other=0.0)
        else:
            left = tl.load(k_at + d1)
            right = tl.load(k_at + d2)
            v = tl.load(v_at)
        scores = tl.dot(r2, right, acc=tl.dot(r1, left)) * scale
        if MASKED:
            seen = t[None, :] <= at[:, None]
            if WINDOW > 0:
                seen &= t[None, :] + WINDOW > at[:, None]
            scores = tl.where(seen, scores, -1e30)
        higher = tl.maximum(best, tl.max(scores, 1))
        shrink = tl.exp2(best - higher)
        p = tl.exp2(scores - higher[:, None])
        if MASKED:
            p = tl.where(seen, p, 0.0)
        weight = weight * shrink + tl.sum(p, 1)
        acc = tl.dot(p.to(tl.bfloat16), v, acc=acc * shrink[:, None])
        best = higher
    return best, weight, acc


@triton.jit
def attend_prompt(
    qkv,
    cos,
    sin,
    keys,
    values,
    positions,
    owners,
    q_norm,
    out,
    count,
    scale,
    eps,
    WINDOW: tl.constexpr,
    H: tl.constexpr,
    KV: tl.constexpr,
    D: tl.constexpr,
    T: tl.constexpr,
    BM: tl.constexpr,
    BT: tl.constexpr,
    TURNED: tl.constexpr,
    NORMED: tl.constexpr,
):
    """BM tokens of one cache row and one query head over the row's keys, which `store` wrote (arXiv:2205.14135)."""
    block, h = tl.num_programs(0) - 1 - tl.program_id(0), tl.program_id(1)  # those with the longest past first
    m = block * BM + tl.arange(0, BM)
    live = m < count
    at = tl.minimum(tl.load(positions + m, mask=live, other=0), T - 1)
    d1 = _first(D, TURNED)
    d2 = _second(D, TURNED)
    full = tl.arange(0, D)
    c = tl.load(cos + at[:, None] * D + d1[None, :]).to(tl.float32)
    s = tl.load(sin + at[:, None] * D + d1[None, :]).to(tl.float32)
    q_at = qkv + m.to(tl.int64)[:, None] * ((H + 2 * KV) * D) + h * D
    q1 = tl.load(q_at + d1[None, :], mask=live[:, None], other=0.0).to(tl.float32)
    q2 = tl.load(q_at + d2[None, :], mask=live[:, None], other=0.0).to(tl.float32)
    if NORMED:
        q1, q2 = _half_norm(q1, q2, q_norm, eps, d1, d2, D)
    r1 = (q1 * c - q2 * s).to(tl.bfloat16)
    r2 = (q2 * c + q1 * s).to(tl.bfloat16)
    owner = tl.load(owners)
    past_k = keys + (owner * KV + h // (H // KV)) * T * D
    past_v = values + (owner * KV + h // (H // KV)) * T * D
    end = tl.max(tl.where(live, at, 0), 0) + 1
    first = tl.min(tl.where(live, at, T - 1), 0)
    best = tl.full((BM,), -1e30, tl.float32)
    weight = tl.zeros((BM,), tl.float32)
    acc = tl.zeros((BM, D), tl.float32)
    scale = scale * 1.4426950408889634
    if WINDOW > 0:
        start = tl.maximum(0, first + 1 - WINDOW) // BT * BT
    else:
        start = (first + 1) // BT * BT
        best, weight, acc = _over_keys(
            r1, r2, past_k, past_v, 0, start, at, best, weight, acc, scale, False, WINDOW, D, T, BT, TURNED
        )
    best, weight, acc = _over_keys(
        r1, r2, past_k, past_v, start, end, at, best, weight, acc, scale, True, WINDOW, D, T, BT, TURNED
    )
    out_at = out + m.to(tl.int64)[:, None] * (H * D) + h * D + full[None, :]
    tl.store(out_at, (acc / weight[:, None]).to(tl.bfloat16), mask=live[:, None])


@triton.jit
def combine(top, total, mixed, out, D: tl.constexpr, SPLITS: tl.constexpr):
    head = tl.program_id(0).to(tl.int64)
    s = tl.arange(0, SPLITS)
    d = tl.arange(0, D)
    best = tl.load(top + head * SPLITS + s)
    weight = tl.load(total + head * SPLITS + s) * tl.exp(best - tl.max(best, 0))
    share = tl.exp(best - tl.max(best, 0)) / tl.sum(weight, 0)
    parts = tl.load(mixed + (head * SPLITS + s)[:, None] * D + d[None, :])
    tl.store(out + head * D + d, tl.sum(parts * share[:, None], 0).to(tl.bfloat16))
