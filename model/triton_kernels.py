"""Triton kernels for one decode step of a few rows on a GPU: NF4 products, LoRA, RMS norm, attention over the slots.

Written for the memory bound of decoding: each weight is read once, in 4 bits. bitsandbytes (0.50) reaches 37 % of the
bandwidth for one row and is several times slower for more; see docs/performance.md. Called through model/kernels.py,
which says what goes in and out.

Layout ("planes"): the codes of a row's 512 inputs are 64 words of 32 bits; bits 4j to 4j+3 of word i hold the code of
input 64 j + i. One shift then gives 64 neighbouring inputs that share one scale, so the scale multiplies sums, not
weights, and the codes feed the tensor cores directly.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from bitsandbytes import functional as bnb


def _nf4_code_bytes() -> dict[str, int]:
    """The 16 NF4 values as bf16, in bytes: H(igh) and L(ow), A (codes 0-7) and B (codes 8-15), four to a word."""
    codes = bnb.get_4bit_type("nf4", device="cpu").to(torch.bfloat16).view(torch.int16).tolist()
    high, low = [(code >> 8) & 255 for code in codes], [code & 255 for code in codes]

    def word(part: list[int]) -> int:
        return sum(byte << (8 * place) for place, byte in enumerate(part))

    return {
        f"{name}{half}{number}": word(table[8 * offset + 4 * number : 8 * offset + 4 * number + 4])
        for name, table in (("H", high), ("L", low))
        for offset, half in enumerate("AB")
        for number in (0, 1)
    }


# Four codes at once: PRMT picks bytes by 3-bit selectors; the fourth bit of each code chooses between the two halves of
# the table (PRMT's sign mode turns that bit into a byte mask).
_LOOK_UP = """
{
.reg .b32 t, m, n, a, b, hi, lo, p, q;
and.b32 t, $4, 0x7777;
prmt.b32 m, 0x80808080, 0x80808080, $4;
shl.b32 n, m, 1;
lop3.b32 m, m, n, 0x7f7f7f7f, 0xe4;
prmt.b32 a, HA0, HA1, t;
prmt.b32 b, HB0, HB1, t;
lop3.b32 hi, a, b, m, 0xd8;
prmt.b32 a, LA0, LA1, t;
prmt.b32 b, LB0, LB1, t;
lop3.b32 lo, a, b, m, 0xd8;
prmt.b32 p, lo, hi, 0x5140;
prmt.b32 q, lo, hi, 0x7362;
mov.b32 {$0,$1}, p;
mov.b32 {$2,$3}, q;
}
"""
for _name, _value in _nf4_code_bytes().items():
    _LOOK_UP = _LOOK_UP.replace(_name, f"0x{_value:08x}")
LOOK_UP = tl.constexpr(_LOOK_UP)


@triton.jit
def _codes(words):
    """The low four codes of each word as bf16 values."""
    return tl.inline_asm_elementwise(
        LOOK_UP,
        "=h,=h,=h,=h,r",
        [words],
        dtype=(tl.bfloat16, tl.bfloat16, tl.bfloat16, tl.bfloat16),
        is_pure=True,
        pack=1,
    )


@triton.jit
def _plane(codes, x, scales, acc, row, m, k, M: tl.constexpr, K: tl.constexpr):
    inputs = tl.load(x + m[None, :] * K + k[:, None], mask=(m < M)[None, :] & (k < K)[:, None], other=0.0)
    return acc + tl.dot(codes, inputs) * tl.load(scales + row).to(tl.float32)[:, None]


@triton.jit
def product(
    x,
    words,
    scales,
    a,
    sums,
    low,
    M: tl.constexpr,
    K: tl.constexpr,
    TILES: tl.constexpr,
    N: tl.constexpr,
    R: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BR: tl.constexpr,
    SPLITS: tl.constexpr,
):
    block, split = tl.program_id(0), tl.program_id(1)
    first = split * TILES // SPLITS
    last = (split + 1) * TILES // SPLITS
    m = tl.arange(0, BM)
    i = tl.arange(0, 64)
    if block * BN < N:
        n = block * BN + tl.arange(0, BN)
        acc = tl.zeros((BN, BM), tl.float32)
        for tile in range(first, last):
            w = tl.load(words + n[:, None] * (TILES * 64) + tile * 64 + i[None, :], mask=(n < N)[:, None], other=0)
            c0, c1, c2, c3 = _codes(w)
            c4, c5, c6, c7 = _codes(w >> 16)
            row = tl.minimum(n, N - 1) * (TILES * 8) + tile * 8
            k = tile * 512 + i
            acc = _plane(c0, x, scales, acc, row, m, k, M, K)
            acc = _plane(c1, x, scales, acc, row + 1, m, k + 64, M, K)
            acc = _plane(c2, x, scales, acc, row + 2, m, k + 128, M, K)
            acc = _plane(c3, x, scales, acc, row + 3, m, k + 192, M, K)
            acc = _plane(c4, x, scales, acc, row + 4, m, k + 256, M, K)
            acc = _plane(c5, x, scales, acc, row + 5, m, k + 320, M, K)
            acc = _plane(c6, x, scales, acc, row + 6, m, k + 384, M, K)
            acc = _plane(c7, x, scales, acc, row + 7, m, k + 448, M, K)
        tl.store(sums + split * M * N + m[None, :] * N + n[:, None], acc, mask=(m < M)[None, :] & (n < N)[:, None])
    else:
        r = tl.arange(0, BR)
        lower = tl.zeros((BR, BM), tl.float32)
        span = tl.arange(0, 128)
        for k0 in range(first * 512, last * 512, 128):
            kk = k0 + span
            left = tl.load(a + r[:, None] * K + kk[None, :], mask=(r < R)[:, None] & (kk < K)[None, :], other=0.0)
            right = tl.load(x + m[None, :] * K + kk[:, None], mask=(m < M)[None, :] & (kk < K)[:, None], other=0.0)
            lower += tl.dot(left, right)
        tl.store(low + split * M * R + m[None, :] * R + r[:, None], lower, mask=(m < M)[None, :] & (r < R)[:, None])


@triton.jit
def _column(
    sums,
    low,
    b,
    bias,
    m,
    n,
    segment,
    M: tl.constexpr,
    N: tl.constexpr,
    R: tl.constexpr,
    RANK: tl.constexpr,
    SPLITS: tl.constexpr,
    HAS_BIAS: tl.constexpr,
):
    y = tl.zeros(n.shape, tl.float32)
    r = tl.arange(0, RANK)
    t = tl.zeros((RANK,), tl.float32)
    for split in tl.static_range(SPLITS):
        y += tl.load(sums + split * M * N + m * N + n, mask=n < N, other=0.0)
        t += tl.load(low + split * M * R + m * R + segment * RANK + r)
    delta = tl.load(b + n[:, None] * RANK + r[None, :], mask=(n < N)[:, None], other=0.0).to(tl.float32)
    y += tl.sum(delta * t[None, :], 1)
    if HAS_BIAS:
        y += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)
    return y


@triton.jit
def finish(
    sums,
    low,
    b,
    bias,
    residual,
    out,
    FIRST: tl.constexpr,
    SECOND: tl.constexpr,
    M: tl.constexpr,
    N: tl.constexpr,
    R: tl.constexpr,
    RANK: tl.constexpr,
    SPLITS: tl.constexpr,
    BN: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    HAS_RESIDUAL: tl.constexpr,
):
    start, m = tl.program_id(0) * BN, tl.program_id(1)
    n = start + tl.arange(0, BN)
    segment = (start >= FIRST).to(tl.int32) + (start >= SECOND).to(tl.int32)
    y = _column(sums, low, b, bias, m, n, segment, M, N, R, RANK, SPLITS, HAS_BIAS)
    if HAS_RESIDUAL:
        y = y.to(tl.bfloat16).to(tl.float32) + tl.load(residual + m * N + n, mask=n < N, other=0.0).to(tl.float32)
    tl.store(out + m * N + n, y.to(tl.bfloat16), mask=n < N)


@triton.jit
def finish_gated(
    sums,
    low,
    b,
    out,
    M: tl.constexpr,
    HALF: tl.constexpr,
    R: tl.constexpr,
    RANK: tl.constexpr,
    SPLITS: tl.constexpr,
    BN: tl.constexpr,
):
    m = tl.program_id(1)
    n = tl.program_id(0) * BN + tl.arange(0, BN)
    inside = n < HALF
    n = tl.where(inside, n, 0)
    gate = _column(sums, low, b, b, m, n, 0, M, 2 * HALF, R, RANK, SPLITS, False).to(tl.bfloat16).to(tl.float32)
    up = _column(sums, low, b, b, m, n + HALF, 1, M, 2 * HALF, R, RANK, SPLITS, False).to(tl.bfloat16).to(tl.float32)
    silu = (gate / (1.0 + tl.exp(-gate))).to(tl.bfloat16).to(tl.float32)
    tl.store(out + m * HALF + n, (silu * up).to(tl.bfloat16), mask=inside)


@triton.jit
def rms_norm(x, weight, out, eps, N: tl.constexpr, BN: tl.constexpr):
    m = tl.program_id(0)
    n = tl.arange(0, BN)
    values = tl.load(x + m * N + n, mask=n < N, other=0.0).to(tl.float32)
    values = values * tl.rsqrt(tl.sum(values * values, 0) / N + eps)
    scale = tl.load(weight + n, mask=n < N, other=0.0).to(tl.float32)
    tl.store(out + m * N + n, (scale * values.to(tl.bfloat16).to(tl.float32)).to(tl.bfloat16), mask=n < N)


@triton.jit
def _spread(codes, scales, out, n, tile, plane, i, N: tl.constexpr, K: tl.constexpr, TILES: tl.constexpr):
    scale = tl.load(scales + n * (TILES * 8) + tile * 8 + plane, mask=n < N, other=0.0).to(tl.float32)
    k = tile * 512 + plane * 64 + i
    weights = (codes.to(tl.float32) * scale[:, None]).to(tl.bfloat16)
    tl.store(out + n[:, None] * K + k[None, :], weights, mask=(n < N)[:, None] & (k < K)[None, :])


@triton.jit
def dequantise(words, scales, out, N: tl.constexpr, K: tl.constexpr, TILES: tl.constexpr, BN: tl.constexpr):
    n = (tl.program_id(0) * BN + tl.arange(0, BN)).to(tl.int64)
    tile = tl.program_id(1)
    i = tl.arange(0, 64)
    w = tl.load(words + n[:, None] * (TILES * 64) + tile * 64 + i[None, :], mask=(n < N)[:, None], other=0)
    c0, c1, c2, c3 = _codes(w)
    c4, c5, c6, c7 = _codes(w >> 16)
    _spread(c0, scales, out, n, tile, 0, i, N, K, TILES)
    _spread(c1, scales, out, n, tile, 1, i, N, K, TILES)
    _spread(c2, scales, out, n, tile, 2, i, N, K, TILES)
    _spread(c3, scales, out, n, tile, 3, i, N, K, TILES)
    _spread(c4, scales, out, n, tile, 4, i, N, K, TILES)
    _spread(c5, scales, out, n, tile, 5, i, N, K, TILES)
    _spread(c6, scales, out, n, tile, 6, i, N, K, TILES)
    _spread(c7, scales, out, n, tile, 7, i, N, K, TILES)


@triton.jit
def _half_norm(first, second, weight, eps, d, D: tl.constexpr):
    """RMS norm over a head whose two halves are [..., D / 2] each (Qwen 3 normalises queries and keys)."""
    square = tl.sum(first * first, -1) + tl.sum(second * second, -1)
    factor = tl.rsqrt(square / D + eps)
    w1 = tl.load(weight + d).to(tl.float32)
    w2 = tl.load(weight + D // 2 + d).to(tl.float32)
    first = (w1 * (first * factor[:, None]).to(tl.bfloat16).to(tl.float32)).to(tl.bfloat16).to(tl.float32)
    second = (w2 * (second * factor[:, None]).to(tl.bfloat16).to(tl.float32)).to(tl.bfloat16).to(tl.float32)
    return first, second


@triton.jit
def attend(
    qkv,
    cos,
    sin,
    keys,
    values,
    positions,
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
    NORMED: tl.constexpr,
):
    """One row, one key/value head, one part of the past: rotate, store the new key and value, attend."""
    b, h, split = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    G: tl.constexpr = H // KV
    at = tl.minimum(tl.load(positions + b), T - 1)
    d = tl.arange(0, D // 2)
    full = tl.arange(0, D)
    g = tl.arange(0, BG)
    c = tl.load(cos + at * D + d).to(tl.float32)
    s = tl.load(sin + at * D + d).to(tl.float32)
    row = qkv + b * (H + 2 * KV) * D
    q_at = row + (h * G + g)[:, None] * D + d[None, :]
    q1 = tl.load(q_at, mask=(g < G)[:, None], other=0.0).to(tl.float32)
    q2 = tl.load(q_at + D // 2, mask=(g < G)[:, None], other=0.0).to(tl.float32)
    one = tl.arange(0, 1)
    k_at = row + (H + h) * D + one[:, None] + d[None, :]
    k1 = tl.load(k_at).to(tl.float32)
    k2 = tl.load(k_at + D // 2).to(tl.float32)
    if NORMED:
        q1, q2 = _half_norm(q1, q2, q_norm, eps, d, D)
        k1, k2 = _half_norm(k1, k2, k_norm, eps, d, D)
    r1 = (q1 * c[None, :] - q2 * s[None, :]).to(tl.bfloat16)
    r2 = (q2 * c[None, :] + q1 * s[None, :]).to(tl.bfloat16)
    n1 = (k1 * c[None, :] - k2 * s[None, :]).to(tl.bfloat16)
    n2 = (k2 * c[None, :] + k1 * s[None, :]).to(tl.bfloat16)
    v_new = tl.load(row + (H + KV + h) * D + full)
    past_k = keys + (b * KV + h) * T * D
    past_v = values + (b * KV + h) * T * D
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
        tl.store(past_k + at * D + one[:, None] + d[None, :], n1)
        tl.store(past_k + at * D + D // 2 + one[:, None] + d[None, :], n2)
        tl.store(past_v + at * D + full, v_new)
        best = tl.sum(r1.to(tl.float32) * n1.to(tl.float32), 1) + tl.sum(r2.to(tl.float32) * n2.to(tl.float32), 1)
        best = best * scale
        weight += 1.0
        acc += v_new.to(tl.float32)[None, :]
    for t0 in range(start, end, BT):
        t = t0 + tl.arange(0, BT)
        k_past = past_k + t[None, :] * D + d[:, None]
        inside = t < end
        left = tl.load(k_past, mask=inside[None, :], other=0.0)
        right = tl.load(k_past + D // 2, mask=inside[None, :], other=0.0)
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
