"""The GPU kernels of a training pass as functions on tensors. Fits `trainer.training.packed_operations.Operations`.

Attention is torch's own variable-length kernel (FlashAttention 2, arXiv:2307.08691). Import only where Triton is.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Protocol

import torch
import triton
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit

from model.fused.gpu import training_triton as kernel
from model.fused.gpu.nvrtc import CompilationFailed, compile_kernels

__all__ = ["TrainingKernels", "usable"]

log = logging.getLogger(__name__)

_HEADS = 8  # of a token, that one block of threads rotates
_Triple = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_HeadNorms = tuple[torch.Tensor, torch.Tensor, float]


class _Shape(Protocol):
    @property
    def heads(self) -> int: ...
    @property
    def kv_heads(self) -> int: ...
    @property
    def dim(self) -> int: ...
    @property
    def scale(self) -> float: ...
    @property
    def window(self) -> int: ...


class _Where(Protocol):
    @property
    def positions(self) -> torch.Tensor: ...
    @property
    def ends(self) -> torch.Tensor: ...
    @property
    def longest(self) -> int: ...


def usable() -> bool:
    """Whether the kernels can be compiled here; the log says why not."""
    try:
        _cuda()
    except CompilationFailed as error:
        log.warning("The training kernels cannot be compiled (%s); training is slower", error)
        return False
    return True


class TrainingKernels:
    """The operations of a GPU. What each computes is said in the protocol."""

    def weight(self, layers: Sequence[Any], dtype: torch.dtype) -> torch.Tensor:
        rows = [layer.out_features for layer in layers]
        whole = torch.empty(sum(rows), layers[0].in_features, dtype=dtype, device=layers[0].weight.device)
        for layer, part in zip(layers, whole.split(rows), strict=True):
            _unpack(layer, part)
        return whole

    def rms_norm(self, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        out, size = torch.empty_like(x), x.shape[-1]
        kernel.norm[(x.numel() // size,)](
            x, weight, out, eps, N=size, BN=triton.next_power_of_2(size), num_warps=_warps(size)
        )
        return out

    def rms_norm_backward(
        self, grad: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, eps: float, beside: torch.Tensor | None
    ) -> torch.Tensor:
        out, size = torch.empty_like(x), x.shape[-1]
        kernel.norm_backward[(x.numel() // size,)](
            grad, x, weight, grad if beside is None else beside, out, eps, N=size, BN=triton.next_power_of_2(size),
            BESIDE=beside is not None, num_warps=_warps(size),
        )  # fmt: skip
        return out

    def rotate(
        self, qkv: torch.Tensor, shape: _Shape, rotary: tuple[torch.Tensor, torch.Tensor], where: _Where,
        norms: _HeadNorms | None,
    ) -> torch.Tensor:  # fmt: skip
        tokens, heads = len(qkv), shape.heads + shape.kv_heads
        width = heads * shape.dim
        out = qkv[:, :width] if norms is None else torch.empty(tokens, width, dtype=qkv.dtype, device=qkv.device)
        q_norm, k_norm, eps = norms or (qkv, qkv, 0.0)
        kernel.rotate[(tokens, triton.cdiv(heads, _HEADS))](
            qkv, *rotary, where.positions, q_norm, k_norm, out, eps, H=shape.heads, KV=shape.kv_heads, D=shape.dim,
            BH=_HEADS, OUT_ROW=out.stride(0), NORMED=norms is not None, num_warps=4,
        )  # fmt: skip
        return out.view(tokens, heads, shape.dim)

    def rotate_backward(
        self, grads: _Triple, qkv: torch.Tensor, shape: _Shape, rotary: tuple[torch.Tensor, torch.Tensor],
        where: _Where, *, norms: _HeadNorms | None,
    ) -> torch.Tensor:  # fmt: skip
        out = torch.empty_like(qkv)
        q_norm, k_norm, eps = norms or (qkv, qkv, 0.0)
        kernel.rotate_backward[(len(qkv), triton.cdiv(shape.heads + 2 * shape.kv_heads, _HEADS))](
            *(grad.contiguous() for grad in grads), qkv, *rotary, where.positions, q_norm, k_norm, out, eps,
            H=shape.heads, KV=shape.kv_heads, D=shape.dim, BH=_HEADS, NORMED=norms is not None, num_warps=4,
        )  # fmt: skip
        return out

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, shape: _Shape, where: _Where
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        out, *kept = torch.ops.aten._flash_attention_forward(  # noqa: SLF001 - has no public name
            q, k, v, where.ends, where.ends, where.longest, where.longest, 0.0, is_causal=True,
            return_debug_mask=False, scale=shape.scale, **_window(shape),
        )  # fmt: skip
        return out, tuple(kept[:3])

    def attend_backward(
        self, grad: torch.Tensor, qkv: _Triple, out: torch.Tensor, kept: tuple[torch.Tensor, ...], *,
        shape: _Shape, where: _Where,
    ) -> _Triple:  # fmt: skip
        total, state, unused = kept
        found: _Triple = torch.ops.aten._flash_attention_backward(  # noqa: SLF001 - as above
            grad, *qkv, out, total, where.ends, where.ends, where.longest, where.longest, 0.0, is_causal=True,
            rng_state=state, unused=unused, scale=shape.scale, **_window(shape),
        )  # fmt: skip
        return found

    def gate(self, gate_up: torch.Tensor) -> torch.Tensor:
        tokens, width = len(gate_up), gate_up.shape[1] // 2
        out = torch.empty(tokens, width, dtype=gate_up.dtype, device=gate_up.device)
        kernel.gate[(triton.cdiv(width, 2048) * tokens,)](gate_up, out, N=width, BN=2048, num_warps=8)
        return out

    def gate_backward(self, grad: torch.Tensor, gate_up: torch.Tensor) -> None:
        tokens, width = grad.shape
        kernel.gate_backward[(triton.cdiv(width, 2048) * tokens,)](grad, gate_up, N=width, BN=2048, num_warps=8)

    def slope(self, scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        losses = torch.empty(len(scores), device=scores.device)
        kernel.slope[(len(scores),)](scores, targets, losses, scores.shape[1], BN=4096, num_warps=16)
        return losses

    def drop(self, x: torch.Tensor, share: float, seed: torch.Tensor, salt: int) -> torch.Tensor:
        out, threshold = torch.empty_like(x), int(share * 2**32)
        kernel.drop[(triton.cdiv(x.numel(), 2048),)](
            x, seed, out, salt, threshold, 1 / (1 - share), x.numel(), BN=2048, num_warps=8
        )
        return out


def _window(shape: _Shape) -> dict[str, int]:
    return {"window_size_left": shape.window - 1, "window_size_right": 0} if shape.window else {}


def _warps(size: int) -> int:
    return 8 if size > 1024 else 4


def _unpack(layer: Any, out: torch.Tensor) -> None:
    """The weight of one frozen layer to `out` [out, in]."""
    weight = layer.weight
    if not isinstance(layer, Linear4bit):
        out.copy_(weight)
        return
    state = weight.quant_state
    doubly = state.nested and state.blocksize == 64 and state.state2.blocksize == 256 and state.quant_type == "nf4"
    if not doubly or out.numel() % 8 or out.data_ptr() % 16:
        out.copy_(dequantize_4bit(weight, state))
        return
    count = out.numel() // 8
    _cuda()["unpack"](
        grid=(min(triton.cdiv(count, 256), 132 * 16), 1, 1),
        block=(256, 1, 1),
        args=[
            weight.data, state.absmax, state.state2.code, state.state2.absmax, state.offset, state.code, out, count,
        ],
    )  # fmt: skip


@functools.cache
def _cuda() -> dict[str, Any]:
    source = files("model.fused.gpu").joinpath("training_nf4.cu").read_text("utf-8")
    return compile_kernels(source, ["unpack"])
