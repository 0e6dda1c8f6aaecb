"""Triton kernels of a prompt's attention: store the keys and values of its tokens, then attend in blocks of them."""

from __future__ import annotations

import triton
import triton.language as tl

from model.fused.gpu.triton_norms import half_norm
from model.fused.gpu.triton_rotation import first_of_pairs, new_key, second_of_pairs


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
    n1, n2 = new_key(row, H + h, cos, sin, k_norm, eps, at, D, TURNED, NORMED)
    slot = ((tl.load(owners + b) * KV + h) * T + at) * D
    one = tl.arange(0, 1)[:, None]
    full = tl.arange(0, D)
    tl.store(keys + slot + one + first_of_pairs(D, TURNED)[None, :], n1)
    tl.store(keys + slot + one + second_of_pairs(D, TURNED)[None, :], n2)
    tl.store(values + slot + full, tl.load(row + (H + KV + h) * D + full))


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
    d1 = first_of_pairs(D, TURNED)[:, None]
    d2 = second_of_pairs(D, TURNED)[:, None]
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
    d1 = first_of_pairs(D, TURNED)
    d2 = second_of_pairs(D, TURNED)
    full = tl.arange(0, D)
    c = tl.load(cos + at[:, None] * D + d1[None, :]).to(tl.float32)
    s = tl.load(sin + at[:, None] * D + d1[None, :]).to(tl.float32)
    q_at = qkv + m.to(tl.int64)[:, None] * ((H + 2 * KV) * D) + h * D
    q1 = tl.load(q_at + d1[None, :], mask=live[:, None], other=0.0).to(tl.float32)
    q2 = tl.load(q_at + d2[None, :], mask=live[:, None], other=0.0).to(tl.float32)
    if NORMED:
        q1, q2 = half_norm(q1, q2, q_norm, eps, d1, d2, D)
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
