"""Forward and backward passes of training with less memory and fewer kernels; the numbers stay the same.

The results are those of transformers and PEFT. A linear layer with its adapter is one node of the graph
instead of a dozen, and writes each of its results once: PEFT copies the base product, scales the low-rank one, and
adds the two. A gated feed-forward keeps what goes into its activation and computes the rest again (as Unsloth and
Liger do), a norm keeps its input in the type it came in, and dropout keeps one byte an element. Layers that are built
in another way run as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch.nn.functional import silu

from trainer.training.packed_operations import unpacked

__all__ = ["fused_autograd", "is_adapted"]

_GATED = {"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP", "SmolLM3MLP", "GraniteMLP", "Olmo2MLP"}
_NORMS = {
    *("LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm"),
    *("SmolLM3RMSNorm", "GraniteRMSNorm", "Phi3RMSNorm"),
}

_Forward = Callable[[torch.Tensor], torch.Tensor]


@contextmanager
def fused_autograd(model: Any, adapter: str) -> Iterator[None]:
    """Replace the forward passes of a PEFT model's layers by fused ones inside this context.

    Args:
        model: from `trainer.training.qlora.attach_adapter`.
        adapter: the one in training, and the only active one meanwhile.
    """
    changed = []
    try:
        for module in model.modules():
            forward = _fused_forward(module, adapter)
            if forward is not None:
                module.forward = forward  # hides the method of the class, on this module alone
                changed.append(module)
        yield
    finally:
        for module in changed:
            del module.forward


def _fused_forward(module: Any, adapter: str) -> _Forward | None:
    """The fused forward pass of one layer; None when it has none."""
    kind = type(module).__name__
    if kind in _NORMS:
        return lambda hidden: _Norm.apply(hidden, module.weight, module.variance_epsilon)  # type: ignore[no-untyped-call]
    if is_adapted(module, adapter):
        one = _Adapted(module, adapter)
        return lambda hidden: _Linear.apply(hidden, one.a, one.b, one)  # type: ignore[no-untyped-call]
    silus = {"SiLU", "SiLUActivation"}
    if kind in _GATED and type(module.act_fn).__name__ in silus and is_adapted(module.down_proj, adapter):
        down, gate, up = _Adapted(module.down_proj, adapter), module.gate_proj, module.up_proj
        return lambda hidden: _GatedDown.apply(gate(hidden), up(hidden), down.a, down.b, down)  # type: ignore[no-untyped-call]
    return None


def is_adapted(module: Any, adapter: str) -> bool:
    """Whether a layer is a frozen weight with a plain LoRA adapter."""
    return (
        isinstance(module, LoraLayer)
        and isinstance(module.base_layer, torch.nn.Linear)
        and adapter in module.lora_A
        and adapter not in module.lora_variant
        and not module.lora_bias[adapter]
        and not module.base_layer.weight.requires_grad
    )


@dataclass(frozen=True)
class _Kept:
    """What the backward pass needs of one product: s A x' [n, rank], and which elements of x stayed in x' (or None)."""

    low: torch.Tensor
    stayed: torch.Tensor | None


class _Adapted:
    """A frozen weight W [out, in] with its adapter: y = W x + s B A x', where x' is x after dropout."""

    def __init__(self, layer: Any, adapter: str) -> None:
        self.a: torch.Tensor = layer.lora_A[adapter].weight
        self.b: torch.Tensor = layer.lora_B[adapter].weight
        self._layer, self._base_layer = layer, layer.base_layer
        self._scaling: float = layer.scaling[adapter]
        self._dropout: float = getattr(layer.lora_dropout[adapter], "p", 0.0)

    def product(self, hidden: torch.Tensor) -> tuple[torch.Tensor, _Kept]:
        """Of hidden [..., in]: y [..., out], and what to keep."""
        result = self._base_layer(hidden)
        stayed = None
        dropped = hidden
        if self._dropout and self._layer.training:
            dropped, stayed = torch.native_dropout(hidden, self._dropout, train=True)
        low = (dropped.flatten(0, -2) @ self.a.to(hidden.dtype).T).mul_(self._scaling)
        result.view(-1, result.shape[-1]).addmm_(low, self.b.to(hidden.dtype).T)
        return result, _Kept(low, stayed)

    def grad_low(self, out: torch.Tensor) -> torch.Tensor:
        """Gradient of A x' [n, rank] from that of y [n, out]."""
        return (out @ self.b.to(out.dtype)).mul_(self._scaling)

    def grad_input(self, out: torch.Tensor, grad_low: torch.Tensor, kept: _Kept) -> torch.Tensor:
        """Gradient of x [n, in]. W is unpacked again."""
        hidden = out @ self._weight(out.dtype)
        a = self.a.to(out.dtype)
        if kept.stayed is None:
            return hidden.addmm_(grad_low, a)
        return hidden.add_(self._dropped(grad_low @ a, kept))

    def grad_adapter(
        self, out: torch.Tensor, grad_low: torch.Tensor, hidden: torch.Tensor, kept: _Kept
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Gradients of A [rank, in] and B [out, rank], for x = hidden [n, in]."""
        grad_a = grad_low.T @ self._dropped(hidden, kept)
        return grad_a.to(self.a.dtype), (out.T @ kept.low).to(self.b.dtype)

    def _dropped(self, hidden: torch.Tensor, kept: _Kept) -> torch.Tensor:
        if kept.stayed is None:
            return hidden
        scale = 1 / (1 - self._dropout)
        return torch.ops.aten.native_dropout_backward(hidden, kept.stayed.view_as(hidden), scale)  # type: ignore[no-any-return]

    def _weight(self, dtype: torch.dtype) -> torch.Tensor:
        return unpacked(self._base_layer, dtype)


class _Linear(torch.autograd.Function):
    """One adapted layer. Keeps x."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, a: torch.Tensor, b: torch.Tensor, adapted: _Adapted) -> torch.Tensor:  # noqa: ARG004 - a and b are named for their gradients
        result, kept = adapted.product(hidden)
        ctx.save_for_backward(hidden, kept.low, kept.stayed)
        ctx.adapted = adapted
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, *rest = ctx.saved_tensors
        kept, adapted = _Kept(*rest), ctx.adapted
        out = gradients[0].flatten(0, -2)
        grad_low = adapted.grad_low(out)
        grad_adapter = adapted.grad_adapter(out, grad_low, hidden.flatten(0, -2), kept)
        return adapted.grad_input(out, grad_low, kept).view_as(hidden), *grad_adapter, None


class _GatedDown(torch.autograd.Function):
    """The adapted down projection of h = silu(gate) * up. Keeps gate and up; h is computed again."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> torch.Tensor:
        gate, up, _a, _b, adapted = inputs
        result, kept = adapted.product(silu(gate).mul_(up))
        ctx.save_for_backward(gate, up, kept.low, kept.stayed)
        ctx.adapted = adapted
        return result  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gate, up, *rest = ctx.saved_tensors
        kept, adapted = _Kept(*rest), ctx.adapted
        out = gradients[0].flatten(0, -2)
        grad_low = adapted.grad_low(out)
        inner = adapted.grad_input(out, grad_low, kept).view_as(gate)
        opened = silu(gate)
        grad_adapter = adapted.grad_adapter(out, grad_low, (opened * up).flatten(0, -2), kept)
        of_up = opened.mul_(inner)
        # Up was kept for this alone: its memory is free for a gradient.
        of_gate = torch.ops.aten.silu_backward.grad_input(inner.mul_(up), gate, grad_input=up)
        return of_gate, of_up, *grad_adapter, None


class _Norm(torch.autograd.Function):
    """w * x / rms(x), computed in fp32 (Zhang and Sennrich 2019). Keeps x as it came, and 1 / rms(x)."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        # As an operator of its own it is left alone by autocast, which would make fp32 of it.
        result, inverse = torch.ops.aten._fused_rms_norm(hidden, [hidden.shape[-1]], weight, epsilon)  # noqa: SLF001
        ctx.save_for_backward(hidden, weight, inverse)
        return result  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        hidden, weight, inverse = ctx.saved_tensors
        if hidden.is_cuda:
            found = torch.ops.aten._fused_rms_norm_backward(  # noqa: SLF001
                gradients[0], hidden, [hidden.shape[-1]], inverse, weight, [True, False]
            )
            return found[0], None, None
        normed = hidden.float() * inverse
        grad_low = (gradients[0] * weight).float()
        grad_low = inverse * (grad_low - normed * (grad_low * normed).mean(-1, keepdim=True))
        return grad_low.to(hidden.dtype), None, None
