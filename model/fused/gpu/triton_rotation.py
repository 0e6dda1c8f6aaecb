"""Triton functions that attention on a GPU shares: which numbers of a head a position turns, and a new token's key."""

from __future__ import annotations

import triton
import triton.language as tl

from model.fused.gpu.triton_norms import half_norm


@triton.jit
def first_of_pairs(D: tl.constexpr, TURNED: tl.constexpr):
    """Which number of a head each of D / 2 pairs has first: a position turns the first TURNED, half against half."""
    d = tl.arange(0, D // 2)
    if TURNED < D:
        d = tl.where(d < TURNED // 2, d, d + TURNED // 2)
    return d


@triton.jit
def second_of_pairs(D: tl.constexpr, TURNED: tl.constexpr):
    """Which number of a head each of D / 2 pairs has second."""
    d = tl.arange(0, D // 2)
    second = d + D // 2
    if TURNED < D:
        second = tl.where(d < TURNED // 2, d + TURNED // 2, second)
    return second


@triton.jit
def new_key(row, head, cos, sin, weight, eps, at, D: tl.constexpr, TURNED: tl.constexpr, NORMED: tl.constexpr):
    """The key of one new token and head, rotated: its two halves, [1, D / 2] each."""
    d1 = first_of_pairs(D, TURNED)
    d2 = second_of_pairs(D, TURNED)
    k_at = row + head * D + tl.arange(0, 1)[:, None]
    k1 = tl.load(k_at + d1[None, :]).to(tl.float32)
    k2 = tl.load(k_at + d2[None, :]).to(tl.float32)
    if NORMED:
        k1, k2 = half_norm(k1, k2, weight, eps, d1, d2, D)
    c = tl.load(cos + at * D + d1).to(tl.float32)[None, :]
    s = tl.load(sin + at * D + d1).to(tl.float32)[None, :]
    return (k1 * c - k2 * s).to(tl.bfloat16), (k2 * c + k1 * s).to(tl.bfloat16)
