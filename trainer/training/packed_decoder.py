"""A training pass of a decoder of Llama's shape, forward and back, without transformers' modules and without autograd.

The tokens of all pairs lie one behind the other, [T, hidden], and attention stays within each pair. Layers that share
their input (q, k, v and gate, up) are one product, and so are their adapters: y = W x + s B A x', where x' is x after
dropout. Only the adapters have gradients. A layer keeps its input, queries, keys and values, what attention gives, the
stream behind it, and gate and up; norms and the gated product are computed again. With checkpointing it keeps its
input alone.

Llama, Mistral, Qwen 2 and Qwen 3 differ only in biases, head norms and windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import Parameter

from trainer.training.flat_adapter import FlatAdapter
from trainer.training.fused_autograd import is_adapted
from trainer.training.packed_linears import Dropout, PackedLinears
from trainer.training.packed_operations import HeadNorms, Operations, Shape, Where

__all__ = ["PackedDecoder", "adapter_groups", "has_known_layers", "has_packed_form"]

_FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
_LENGTH_DEPENDENT = ("dynamic", "longrope")
"""Rotary embeddings whose angles depend on the length of the text."""


def has_known_layers(base: Any) -> bool:
    """Whether this file knows how a base model's layers compute."""
    config = base.config
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    return (
        config.model_type in _FAMILIES
        and config.hidden_act == "silu"
        and not getattr(config, "mlp_bias", False)
        and not getattr(config, "attention_dropout", 0.0)
        and rope.get("rope_type", "default") not in _LENGTH_DEPENDENT
    )


def has_packed_form(model: Any, adapter: str) -> bool:
    """Whether this file knows how a PEFT model's layers and their adapters compute."""
    base = model.get_base_model()
    if not has_known_layers(base):
        return False
    parts = [part for layer in base.model.layers for part in _parts(layer)]
    return all(is_adapted(linear, adapter) for part in parts for linear in part) and all(
        _alike(part, adapter) for part in parts
    )


def adapter_groups(model: Any, adapter: str) -> list[list[Parameter]]:
    """The adapter's weights as `FlatAdapter` lays them out: A of layers that share their input side by side."""
    groups: list[list[Parameter]] = []
    for layer in model.get_base_model().model.layers:
        for part in _parts(layer):
            groups.append([linear.lora_A[adapter].weight for linear in part])
            groups.extend([linear.lora_B[adapter].weight] for linear in part)
    return groups


def _parts(layer: Any) -> list[list[Any]]:
    """The linear layers that share their input: q, k, v; o; gate, up; down."""
    attention, mlp = layer.self_attn, layer.mlp
    return [
        [attention.q_proj, attention.k_proj, attention.v_proj],
        [attention.o_proj],
        [mlp.gate_proj, mlp.up_proj],
        [mlp.down_proj],
    ]


def _alike(part: Sequence[Any], adapter: str) -> bool:
    """Whether adapters of layers that share their input scale and drop alike, and all have biases or none."""
    scalings = {linear.scaling[adapter] for linear in part}
    shares = {getattr(linear.lora_dropout[adapter], "p", 0.0) for linear in part}
    return len(scalings) == len(shares) == len({linear.base_layer.bias is None for linear in part}) == 1


@dataclass
class _Kept:
    """What a layer keeps for its way back. `low` are A x' of its four products, in their order."""

    x: torch.Tensor
    qkv: torch.Tensor
    heads: torch.Tensor
    mixed: torch.Tensor
    attention: tuple[torch.Tensor, ...]
    stream: torch.Tensor
    gate_up: torch.Tensor
    low: list[torch.Tensor]


class _Layer:
    """One decoder layer."""

    def __init__(self, layer: Any, index: int, adapter: str, flat: FlatAdapter, decoder: PackedDecoder) -> None:
        self._decoder, self._operations = decoder, decoder.operations
        self._norms = [
            (norm.weight, float(norm.variance_epsilon))
            for norm in (layer.input_layernorm, layer.post_attention_layernorm)
        ]
        self._qkv, self._out, self._gate_up, self._down = (
            PackedLinears(part, adapter, flat, decoder.operations, 4 * index + place)
            for place, part in enumerate(_parts(layer))
        )
        attention = layer.self_attn
        self._head_norms: HeadNorms | None = None
        if hasattr(attention, "q_norm"):
            self._head_norms = (
                attention.q_norm.weight,
                attention.k_norm.weight,
                float(attention.q_norm.variance_epsilon),
            )
        window = getattr(attention, "sliding_window", None)
        if attention.config.model_type == "mistral":
            window = attention.config.sliding_window
        dim = int(attention.head_dim)
        self._shape = Shape(
            attention.q_proj.out_features // dim,
            attention.k_proj.out_features // dim,
            dim,
            float(attention.scaling),
            int(window or 0),
        )

    def forward(self, x: torch.Tensor, where: Where, dropout: Dropout) -> _Kept:
        """All but the last product, of the stream x [T, hidden]."""
        operations, shape = self._operations, self._shape
        qkv, low_qkv = self._qkv.forward(operations.rms_norm(x, *self._norms[0]), dropout)
        heads = operations.rotate(qkv, shape, self._decoder.rotary, where, self._head_norms)
        mixed, attention = operations.attend(*self._attended(heads, qkv), shape, where)
        stream, low_out = self._out.forward(mixed.flatten(1), dropout, residual=x)
        gate_up, low_gate_up = self._gate_up.forward(operations.rms_norm(stream, *self._norms[1]), dropout)
        return _Kept(x, qkv, heads, mixed, attention, stream, gate_up, [low_qkv, low_out, low_gate_up])

    def finish(self, kept: _Kept, dropout: Dropout) -> torch.Tensor:
        """The last product: the stream behind the layer."""
        result, low = self._down.forward(self._operations.gate(kept.gate_up), dropout, residual=kept.stream)
        kept.low.append(low)
        return result

    def backward(self, grad: torch.Tensor, kept: _Kept, where: Where, dropout: Dropout) -> torch.Tensor:
        """The gradient of x from that of the stream behind the layer. Spoils what was kept."""
        operations, shape = self._operations, self._shape
        hidden, low = self._down.backward(grad, dropout)
        operations.gate_backward(hidden, kept.gate_up)
        if len(kept.low) < 4:
            kept.low.append(self._down.low(hidden, dropout))
        self._down.add_gradients(grad, low, hidden, kept.low[3], dropout)

        normed = operations.rms_norm(kept.stream, *self._norms[1])
        hidden, low = self._gate_up.backward(kept.gate_up, dropout)
        self._gate_up.add_gradients(kept.gate_up, low, normed, kept.low[2], dropout)
        grad = operations.rms_norm_backward(hidden, kept.stream, *self._norms[1], grad)

        mixed, low = self._out.backward(grad, dropout)
        self._out.add_gradients(grad, low, kept.mixed.flatten(1), kept.low[1], dropout)
        attended = self._attended(kept.heads, kept.qkv)
        grads = operations.attend_backward(
            mixed.view_as(kept.mixed), attended, kept.mixed, kept.attention, shape=shape, where=where
        )
        of_qkv = operations.rotate_backward(grads, kept.qkv, shape, self._decoder.rotary, where, norms=self._head_norms)

        hidden, low = self._qkv.backward(of_qkv, dropout)
        normed = operations.rms_norm(kept.x, *self._norms[0])
        self._qkv.add_gradients(of_qkv, low, normed, kept.low[0], dropout)
        return operations.rms_norm_backward(hidden, kept.x, *self._norms[0], grad)

    def _attended(self, heads: torch.Tensor, qkv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        shape = self._shape
        values = qkv[:, shape.rotated :].view(len(qkv), shape.kv_heads, shape.dim)
        return heads[:, : shape.heads], heads[:, shape.heads :], values


@dataclass
class PackedPass:
    """A pass on its way: what each layer keeps (its input alone, with checkpointing), and the last stream."""

    layers: list[Any]
    last: torch.Tensor
    normed: torch.Tensor


class PackedDecoder:
    """All layers and the last norm of a PEFT model's base.

    Attributes:
        operations: of its device.
        rotary: cos and sin of each position.
        checkpointing: compute activations again instead of keeping them.
    """

    def __init__(self, model: Any, adapter: str, flat: FlatAdapter, operations: Operations, longest: int) -> None:
        base = model.get_base_model()
        self.operations = operations
        self.checkpointing = False
        self._embedding = base.get_input_embeddings()
        self._norm = (base.model.norm.weight, float(base.model.norm.variance_epsilon))
        device = self._norm[0].device
        cos, sin = base.model.rotary_emb(
            torch.zeros(1, device=device), torch.arange(longest, device=device).unsqueeze(0)
        )
        half = cos.shape[-1] // 2
        self.rotary = (cos[0, :, :half].contiguous(), sin[0, :, :half].contiguous())
        self._layers = [_Layer(layer, index, adapter, flat, self) for index, layer in enumerate(base.model.layers)]

    def forward(self, ids: torch.Tensor, where: Where, dropout: Dropout, *, keep: bool) -> PackedPass:
        """Of tokens [T]: their last hidden states, normed, and what `backward` needs where `keep` says so."""
        x = self._embedding(ids)
        found: list[Any] = []
        for layer in self._layers:
            kept = layer.forward(x, where, dropout)
            if keep:
                found.append(x if self.checkpointing else kept)
            x = layer.finish(kept, dropout)
            del kept  # its memory is the next layer's
        return PackedPass(found, x, self.operations.rms_norm(x, *self._norm))

    def backward(self, made: PackedPass, grad: torch.Tensor, where: Where, dropout: Dropout) -> None:
        """Add the adapters' gradients, given that of the normed hidden states. Uses the pass up."""
        grad = self.operations.rms_norm_backward(grad, made.last, *self._norm, None)
        del made.last
        for layer in reversed(self._layers):
            kept = made.layers.pop()
            if self.checkpointing:
                kept = layer.forward(kept, where, dropout)
            grad = layer.backward(grad, kept, where, dropout)
            del kept
