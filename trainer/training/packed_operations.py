"""What a layer of the packed decoder computes, in torch: on CPUs, and on GPUs that Triton has no kernels for.

Each operation has its backward pass beside it; nothing goes through autograd. The kernels of other GPUs
(`model.fused.gpu.training_kernels`) fit the same protocol and are tested against this file. T is the number of tokens,
all sequences of a pass one behind the other.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn.functional import scaled_dot_product_attention, silu

__all__ = ["HeadNorms", "Operations", "Rotary", "Shape", "TorchOperations", "Where", "operations_for", "unpacked"]

Rotary = tuple[torch.Tensor, torch.Tensor]
"""cos and sin, [length, dim / 2] in fp32."""
HeadNorms = tuple[torch.Tensor, torch.Tensor, float]
"""Query and key RMS norm weights, [dim], and epsilon."""


@dataclass(frozen=True)
class Shape:
    """Attention of one layer.

    Attributes:
        dim: width of a head.
        window: tokens that one sees, itself among them; 0 for all before it.
    """

    heads: int
    kv_heads: int
    dim: int
    scale: float
    window: int

    @property
    def rotated(self) -> int:
        """Numbers of a token that are rotated: all queries and keys."""
        return (self.heads + self.kv_heads) * self.dim


@dataclass(frozen=True)
class Where:
    """Where the tokens of a pass stand.

    Attributes:
        positions: of each token in its sequence, [T] int64.
        ends: where each sequence begins and the last one ends, [sequences + 1] int32; some may be empty.
        longest: no sequence is longer.
    """

    positions: torch.Tensor
    ends: torch.Tensor
    longest: int


class Operations(Protocol):
    """The operations of a device."""

    def weight(self, layers: Sequence[Any], dtype: torch.dtype) -> torch.Tensor:
        """The frozen weights of layers that share their input, one below the other: [out, in]."""

    def rms_norm(self, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        """W x / rms(x) of [T, N] (Zhang and Sennrich 2019)."""

    def rms_norm_backward(
        self, grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, eps: float, beside: torch.Tensor | None
    ) -> torch.Tensor:
        """Gradient of x, plus `beside`, that of the residual."""

    def rotate(
        self, qkv: torch.Tensor, shape: Shape, rotary: Rotary, where: Where, norms: HeadNorms | None
    ) -> torch.Tensor:
        """Queries and keys of qkv [T, (heads + 2 kv_heads) dim], normed and rotated: [T, heads + kv_heads, dim].

        Without norms the result may be a view of qkv, which is then overwritten.
        """

    def rotate_backward(
        self,
        grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        qkv: torch.Tensor,
        shape: Shape,
        rotary: Rotary,
        where: Where,
        *,
        norms: HeadNorms | None,
    ) -> torch.Tensor:
        """Gradient of qkv from those of queries, keys and values, [T, heads, dim] each."""

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, shape: Shape, where: Where
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Causal attention within each sequence, [T, heads, dim], and what else its backward pass needs."""

    def attend_backward(
        self,
        grad: torch.Tensor,
        qkv: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        out: torch.Tensor,
        kept: tuple[torch.Tensor, ...],
        *,
        shape: Shape,
        where: Where,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradients of queries, keys and values."""

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        """silu(gate) * up of the two halves of [T, 2 N]."""

    def gate_backward(self, grad: torch.Tensor, gate_up: torch.Tensor) -> None:
        """Turn `gate_up` into its gradient and `grad` [T, N] into silu(gate) * up."""

    def slope(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Cross entropy [n] of scores [n, vocabulary], which turn into its gradient."""

    def drop(self, x: torch.Tensor, share: float, seed: torch.Tensor, salt: int) -> torch.Tensor:
        """With that share of x set to 0 and the rest larger by as much: the same elements for a seed and salt."""


_DIMS = (32, 64, 128, 256)
"""Widths of a head that the kernels take."""


def operations_for(device: torch.device, dtype: torch.dtype, dim: int) -> Operations:
    """The operations for heads of a width: kernels on a GPU that computes in bf16 and has Triton, else torch."""
    if device.type != "cuda" or dtype != torch.bfloat16 or dim not in _DIMS:
        return TorchOperations()
    if importlib.util.find_spec("triton") is None:
        return TorchOperations()
    from model.fused.gpu import training_kernels

    return training_kernels.TrainingKernels() if training_kernels.usable() else TorchOperations()


def unpacked(layer: Any, dtype: torch.dtype) -> torch.Tensor:
    """The weight of one frozen layer, packed in 4 bits or not."""
    from bitsandbytes.functional import dequantize_4bit
    from bitsandbytes.nn import Linear4bit

    weight: Any = layer.weight
    return (dequantize_4bit(weight, weight.quant_state) if isinstance(layer, Linear4bit) else weight).to(dtype)


class TorchOperations:
    """`Operations` in plain torch. Attention sees the sequences through a mask."""

    def weight(self, layers: Sequence[Any], dtype: torch.dtype) -> torch.Tensor:
        parts = [unpacked(layer, dtype) for layer in layers]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def rms_norm(self, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        return weight * _normed(x, eps)[0].to(x.dtype)

    def rms_norm_backward(
        self, grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, eps: float, beside: torch.Tensor | None
    ) -> torch.Tensor:
        normed, inverse = _normed(x, eps)
        slope = grad.float() * weight.float()
        slope = inverse * (slope - normed * (slope * normed).mean(-1, keepdim=True))
        return (slope if beside is None else slope + beside.float()).to(x.dtype)

    def rotate(
        self, qkv: torch.Tensor, shape: Shape, rotary: Rotary, where: Where, norms: HeadNorms | None
    ) -> torch.Tensor:
        heads = qkv[:, : shape.rotated].view(len(qkv), -1, shape.dim)
        if norms is not None:
            q, k = heads.split([shape.heads, shape.kv_heads], dim=1)
            heads = torch.cat([self.rms_norm(q, norms[0], norms[2]), self.rms_norm(k, norms[1], norms[2])], dim=1)
        return _turned(heads, rotary, where, 1)

    def rotate_backward(
        self,
        grads: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        qkv: torch.Tensor,
        shape: Shape,
        rotary: Rotary,
        where: Where,
        *,
        norms: HeadNorms | None,
    ) -> torch.Tensor:
        q, k = _turned(grads[0], rotary, where, -1), _turned(grads[1], rotary, where, -1)
        if norms is not None:
            before = qkv[:, : shape.rotated].view(len(qkv), -1, shape.dim).split([shape.heads, shape.kv_heads], dim=1)
            q = self.rms_norm_backward(q, before[0], norms[0], norms[2], None)
            k = self.rms_norm_backward(k, before[1], norms[1], norms[2], None)
        return torch.cat([q, k, grads[2]], dim=1).flatten(1)

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, shape: Shape, where: Where
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        return _attention(q, k, v, shape, where), ()

    def attend_backward(
        self,
        grad: torch.Tensor,
        qkv: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        out: torch.Tensor,  # noqa: ARG002 - what other devices need
        kept: tuple[torch.Tensor, ...],  # noqa: ARG002 - as above
        *,
        shape: Shape,
        where: Where,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        inputs = [part.detach().requires_grad_() for part in qkv]
        with torch.enable_grad():
            again = _attention(inputs[0], inputs[1], inputs[2], shape, where)
        q, k, v = torch.autograd.grad(again, inputs, grad)
        return q, k, v

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        gate, up = gate_up.chunk(2, dim=1)
        return silu(gate) * up

    def gate_backward(self, grad: torch.Tensor, gate_up: torch.Tensor) -> None:
        gate, up = gate_up.chunk(2, dim=1)
        opened = silu(gate)
        result = opened * up
        of_gate = torch.ops.aten.silu_backward(grad * up, gate)
        up.copy_(grad * opened)
        gate.copy_(of_gate)
        grad.copy_(result)

    def slope(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        exact, chosen = scores.float(), targets.unsqueeze(-1)
        normaliser = torch.logsumexp(exact, dim=-1, keepdim=True)
        losses = (normaliser - exact.gather(-1, chosen)).squeeze(-1)
        slopes = exact.sub_(normaliser).exp_() if exact is not scores else (exact - normaliser).exp_()
        scores.copy_(slopes.scatter_add_(-1, chosen, torch.full_like(chosen, -1, dtype=slopes.dtype)))
        return losses

    def drop(self, x: torch.Tensor, share: float, seed: torch.Tensor, salt: int) -> torch.Tensor:
        index = torch.arange(x.numel(), device=x.device).view(x.shape)
        stays = _mixed(index ^ _mixed(seed + salt)) >= int(share * 2**32)
        return torch.where(stays, x.float() / (1 - share), 0.0).to(x.dtype)


def _normed(x: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    exact = x.float()
    inverse = torch.rsqrt(exact.square().mean(-1, keepdim=True) + eps)
    return exact * inverse, inverse


def _turned(heads: torch.Tensor, rotary: Rotary, where: Where, way: int) -> torch.Tensor:
    """Rotary position embedding (Su et al., arXiv:2104.09864), or with way -1 its inverse, which is its gradient."""
    cos, sin = (table[where.positions, None] for table in rotary)
    first, second = heads.float().chunk(2, dim=-1)
    sin = sin * way
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(heads.dtype)


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, shape: Shape, where: Where) -> torch.Tensor:
    token = torch.arange(len(q), device=q.device)
    owner = torch.searchsorted(where.ends, token.to(where.ends.dtype), right=True)
    behind = token[:, None] - token[None, :]
    seen = (owner[:, None] == owner[None, :]) & (behind >= 0)
    if shape.window:
        seen &= behind < shape.window
    groups = shape.heads // shape.kv_heads
    q, k, v = (part.transpose(0, 1)[None] for part in (q, k, v))
    k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    return scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=shape.scale)[0].transpose(0, 1).contiguous()


def _mixed(x: torch.Tensor) -> torch.Tensor:
    """A hash of 32-bit numbers (lowbias32 of Wellons' hash prospector), computed in 64 bits."""
    word = 0xFFFFFFFF
    x = x & word
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & word
    x = ((x ^ (x >> 15)) * 0x846CA68B) & word
    return x ^ (x >> 16)
