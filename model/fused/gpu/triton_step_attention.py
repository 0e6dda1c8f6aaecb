"""Triton kernels of a decode step's attention: one token of each row over its past in the slots, in parts."""

from __future__ import annotations

import triton
import triton.language as tl

from model.fused.gpu.triton_norms import half_norm
from model.fused.gpu.triton_rotation import first_of_pairs, new_key, second_of_pairs


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
    d1 = first_of_pairs(D, TURNED)
    d2 = second_of_pairs(D, TURNED)
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
        q1, q2 = half_norm(q1, q2, q_norm, eps, d1, d2, D)
    r1 = (q1 * c[None, :] - q2 * s[None, :]).to(tl.bfloat16)
    r2 = (q2 * c[None, :] + q1 * s[None, :]).to(tl.bfloat16)
    n1, n2 = new_key(row, H + h, cos, sin, k_norm, eps, at, D, TURNED, NORMED)
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
def combine(top, total, mixed, out, D: tl.constexpr, SPLITS: tl.constexpr):
    head = tl.program_id(0).to(tl.int64)
    s = tl.arange(0, SPLITS)
    d = tl.arange(0, D)
    best = tl.load(top + head * SPLITS + s)
    weight = tl.load(total + head * SPLITS + s) * tl.exp(best - tl.max(best, 0))
    share = tl.exp(best - tl.max(best, 0)) / tl.sum(weight, 0)
    parts = tl.load(mixed + (head * SPLITS + s)[:, None] * D + d[None, :])
    tl.store(out + head * D + d, tl.sum(parts * share[:, None], 0).to(tl.bfloat16))
