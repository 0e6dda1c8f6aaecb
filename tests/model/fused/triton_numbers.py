"""The Triton kernels' numbers against torch's, one line for each that is off; see test_triton_numbers.py."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.nn import functional

from model.fused.gpu import kernels
from model.fused.kernels import Activation, AttentionShape

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HEADS, KV, LENGTH, EPS = 4, 2, 96, 1e-6
BF16, FP32 = torch.bfloat16, torch.float32


def drawn(*shape: int, dtype: torch.dtype = BF16) -> torch.Tensor:
    return torch.randn(*shape).to(dtype).to(DEVICE)


def normed(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """As the modules round: a weight in fp32 before, one in bf16 after."""
    y = x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + EPS)
    return (y * weight).to(BF16) if weight.dtype == FP32 else y.to(BF16) * weight


def turned(x: torch.Tensor, how: AttentionShape, places: torch.Tensor) -> torch.Tensor:
    """As transformers rotates a part of each head; x [count, heads, dim]."""
    cos, sin = (table[places, None, : how.turned].float() for table in how.rotary)
    part, rest = x[..., : how.turned].float(), x[..., how.turned :]
    first, second = part.chunk(2, dim=-1)
    return torch.cat(((part * cos + torch.cat((-second, first), dim=-1) * sin).to(BF16), rest), dim=-1)


def shape_of(dim: int, part: int, *, window: int = 0, weights: torch.dtype | None = None) -> AttentionShape:
    angle = torch.outer(torch.arange(LENGTH), 1 / 100 ** (torch.arange(part // 2) / part)).to(DEVICE)
    ones = torch.ones(LENGTH, dim - part, device=DEVICE)
    cos, sin = torch.cat((angle.cos(), angle.cos(), ones), 1), torch.cat((angle.sin(), angle.sin(), 0 * ones), 1)
    norms = None if weights is None else (1 + drawn(dim, dtype=weights) / 4, 1 + drawn(dim, dtype=weights) / 4, EPS)
    return AttentionShape(HEADS, dim**-0.5, (cos, sin), part, window, norms)


def expected_attention(
    qkv: torch.Tensor, caches: list[torch.Tensor], how: AttentionShape, at: list[int], row: list[int]
) -> torch.Tensor:
    """Of each token in turn; writes its key and value."""
    keys, values = caches
    q, k, v = qkv.view(len(qkv), -1, keys.shape[3]).split([HEADS, KV, KV], dim=1)
    if how.norms:
        q, k = normed(q, how.norms[0]), normed(k, how.norms[1])
    places = torch.tensor(at, device=DEVICE)
    q, k = turned(q, how, places), turned(k, how, places)
    keys[row, :, at], values[row, :, at] = k, v
    out = []
    for index, (place, own) in enumerate(zip(at, row, strict=True)):
        first = max(0, place + 1 - how.window) if how.window else 0
        past = [cache[own, :, first : place + 1].repeat_interleave(HEADS // KV, dim=0) for cache in caches]
        scores = torch.einsum("hd,htd->ht", q[index].float(), past[0].float()) * how.scale
        out.append(torch.einsum("ht,htd->hd", scores.softmax(-1), past[1].float()).flatten())
    return torch.stack(out)


def attention(how: AttentionShape, at: list[int], row: list[int], *, together: bool) -> float:
    """The largest distance of attention, keys and values from what is expected."""
    dim = how.rotary[0].shape[1]
    qkv = drawn(len(at), (HEADS + 2 * KV) * dim)
    caches = [drawn(3, KV, LENGTH, dim) for _ in range(2)]
    own = [cache.clone() for cache in caches]
    begin = kernels.begin_prefill if together else kernels.begin_step
    step = begin(torch.tensor(at, device=DEVICE), torch.tensor(row, device=DEVICE))
    found = step.attend(qkv, *own, how)
    wanted = expected_attention(qkv, caches, how, at, row)
    return max(far(found, wanted), *(far(one, other) for one, other in zip(own, caches, strict=True)))


def far(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


def norms() -> dict[str, float]:
    off = {}
    x, residual = drawn(5, 192), drawn(5, 96)
    for weights in (BF16, FP32):
        weight = 1 + drawn(96, dtype=weights) / 4
        part = x[:, 96:]
        off[f"norm {weights}"] = far(kernels.rms_norm(part, weight, EPS), normed(part, weight))
        added = kernels.rms_norm(part, weight, EPS, residual)
        off[f"norm {weights} added"] = far(added, normed(part, weight) + residual)
    return off


def ends() -> dict[str, float]:
    """The ends of products: factors, gates, and gate and up in one layer or in two, for rows of two slots and none."""
    off: dict[str, float] = {}
    slots = torch.tensor([0, -1, 1], dtype=torch.int32, device=DEVICE)
    rows: Any = type("Rows", (), {"index": slots})
    sums, residual, has = drawn(3, 128, dtype=FP32), drawn(3, 128), (slots >= 0)[:, None]
    for parts in (1, 2):
        b = drawn(2, 128, 16)
        low = drawn(3, 16 * parts, dtype=FP32)
        of_columns = low.view(3, parts, 16).repeat_interleave(128 // parts, dim=1)
        whole = sums + has * torch.einsum("mnr,mnr->mn", of_columns, b[slots.clamp_min(0).long()].float())
        widths = (128 // parts,) * parts
        found = kernels.finish(sums, low, b, rows, widths, residual=residual, factor=0.4)
        off[f"finish {parts}"] = far(found, (whole.to(BF16) * 0.4) + residual)
        gate, up = whole.to(BF16).chunk(2, dim=1)
        activations: tuple[Activation, ...] = ("silu", "gelu_pytorch_tanh")
        for name in activations:
            silu = name == "silu"
            wanted = (functional.silu(gate) if silu else functional.gelu(gate, approximate="tanh")) * up
            off[f"{name} {parts}"] = far(kernels.finish_gated(sums, low, b, rows, name), wanted)
            off[f"{name} alone"] = far(kernels.gated(whole.to(BF16), name), wanted)
    return off


def attentions() -> dict[str, float]:
    off = {}
    for dim, part, window, weights in (
        (64, 64, 0, None),
        (64, 48, 0, None),
        (64, 48, 20, BF16),
        (64, 64, 0, FP32),
        (256, 256, 20, FP32),
    ):
        how = shape_of(dim, part, window=window, weights=weights)
        name = f"heads of {dim}, {part} turned, window {window}, norms {weights}"
        off[f"step: {name}"] = attention(how, [70, 5, 90], [2, 0, 1], together=False)
        off[f"few: {name}"] = attention(how, [60, 61], [1, 1], together=True)
        places = list(range(30, 70))
        off[f"prompt: {name}"] = attention(how, places, [2] * len(places), together=True)
    return off


def mend_interpreter() -> None:
    """Triton's interpreter (3.9) multiplies the bits of bf16 in a dot; hand it the numbers in fp32."""
    from triton.language import core
    from triton.runtime.interpreter import InterpreterBuilder

    own = InterpreterBuilder.create_dot

    def create_dot(builder: Any, a: Any, b: Any, *rest: Any) -> Any:
        wide = core.block_type(core.float32, list(a.data.shape)), core.block_type(core.float32, list(b.data.shape))
        a, b = (
            builder.create_fp_ext(one, to) if one.dtype.scalar.is_bf16() else one
            for one, to in zip((a, b), wide, strict=True)
        )
        return own(builder, a, b, *rest)

    InterpreterBuilder.create_dot = create_dot


if __name__ == "__main__":
    torch.manual_seed(0)
    if DEVICE == "cpu":
        mend_interpreter()
    sys.stderr.write(f"on {DEVICE}\n")
    for what, distance in {**norms(), **ends(), **attentions()}.items():
        sys.stderr.write(f"{what}: {distance:.5f}\n")
        if not distance < 0.03:  # bf16 rounds to 0.004, and the interpreter cuts off where a GPU rounds
            sys.stdout.write(f"{what} is off by {distance:.4f}\n")
