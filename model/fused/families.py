"""The families whose layers the fused step computes, as data: what differs from Llama, and why a model is not fused.

A family is a row of `FAMILIES`. What a layer says itself (sizes, biases, windows, multipliers, norms of heads) is read
from it in model/fused/layers.py. The names are those of transformers' modules.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, get_args

from model.adapter.slots import SlotLinear
from model.fused.kernels import Activation, Kernels

__all__ = ["FAMILIES", "Family", "activation_of", "can_fuse", "head_dim", "linears_of", "why_not_fused"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Family:
    """What a family's layers are made of; as it is, Llama.

    Attributes:
        qkv, gate_up: the linear layers that read the same input, in the order in which their outputs lie.
        before_attention, after_attention, before_mlp, after_mlp: the norms; "" for none.
        norm_offset: what a norm adds to its weight.
        rounds_once: whether a norm multiplies by its weight before it rounds.
        rotary_by_kind: whether layers of local attention have a rotary embedding of their own.
        one_window: whether the configuration's window is that of every layer.
    """

    qkv: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    gate_up: tuple[str, ...] = ("gate_proj", "up_proj")
    before_attention: str = "input_layernorm"
    after_attention: str = ""
    before_mlp: str = "post_attention_layernorm"
    after_mlp: str = ""
    norm_offset: float = 0.0
    rounds_once: bool = False
    rotary_by_kind: bool = False
    one_window: bool = False


FAMILIES: dict[str, Family] = {
    "llama": Family(),
    "mistral": Family(one_window=True),
    "qwen2": Family(),
    "qwen3": Family(),
    "smollm3": Family(),
    "granite": Family(),
    "phi3": Family(qkv=("qkv_proj",), gate_up=("gate_up_proj",), one_window=True),
    "olmo2": Family(
        before_attention="",
        after_attention="post_attention_layernorm",
        before_mlp="",
        after_mlp="post_feedforward_layernorm",
        rounds_once=True,
    ),
    "gemma3_text": Family(
        after_attention="post_attention_layernorm",
        before_mlp="pre_feedforward_layernorm",
        after_mlp="post_feedforward_layernorm",
        norm_offset=1.0,
        rounds_once=True,
        rotary_by_kind=True,
    ),
}
"""By transformers' model type."""

_LENGTH_DEPENDENT = ("dynamic", "longrope")
"""Rotary embeddings whose angles depend on the length of the text."""


def can_fuse(model: Any, kernels: Kernels, length: int) -> bool:
    """Whether the fused step computes a model's layers; the log says why not. Arguments as `why_not_fused`."""
    if why := why_not_fused(model, kernels, length):
        log.info("Transformers' modules compute the layers, and slower: %s", why)
    return not why


def why_not_fused(model: Any, kernels: Kernels, length: int) -> str:
    """Why a model's layers cannot be computed by the fused step, as a part of a sentence; "" if they can.

    length: longest conversation, in tokens.
    """
    return _why_not_by_config(model.config, length) or _why_not_by_layers(model, kernels)


def _why_not_by_config(config: Any, length: int) -> str:
    if config.model_type not in FAMILIES:
        return f"the fused step does not know the family {config.model_type}"
    if activation_of(config) not in get_args(Activation):
        return f"the activation is {activation_of(config)}"
    if kind := _rotary_by_length(config, length):
        return f"the rotary embedding ({kind}) depends on the length of the text"
    return ""


def _why_not_by_layers(model: Any, kernels: Kernels) -> str:
    family, dim = FAMILIES[model.config.model_type], head_dim(model.config)
    parts = [linears_of(layer, family) for layer in model.model.layers]
    linears = [linear for part in parts for fused in part.values() for linear in fused]
    if any(not isinstance(linear, SlotLinear) for linear in linears):
        return "some layers take no adapter"
    if any(linear.bias is not None for part in parts for linear in (*part["gate_up"], *part["down"])):
        return "the feed-forward layers have biases"
    if not kernels.fits_heads(dim):
        return f"the kernels do not take heads of {dim}"
    sizes = {(linear.in_features, linear.out_features) for linear in linears}
    refused = sorted(size for size in sizes if not kernels.fits(*size))
    return f"the kernels do not take layers of {refused[0]}" if refused else ""


def linears_of(layer: Any, family: Family) -> dict[str, list[SlotLinear]]:
    """The linear layers that share their input, as they are fused."""
    attention, mlp = layer.self_attn, layer.mlp
    return {
        "qkv": [getattr(attention, name) for name in family.qkv],
        "out": [attention.o_proj],
        "gate_up": [getattr(mlp, name) for name in family.gate_up],
        "down": [mlp.down_proj],
    }


def head_dim(config: Any) -> int:
    """Numbers of one head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def activation_of(config: Any) -> str:
    """What the gate goes through, by transformers' name."""
    return str(getattr(config, "hidden_activation", None) or config.hidden_act)


def _rotary_by_length(config: Any, length: int) -> str:
    """The kind of a rotary embedding that has no one angle for a position, within this length; "" for none."""
    found = getattr(config, "rope_parameters", None) or {}
    for one in (found, *(part for part in found.values() if isinstance(part, dict))):
        kind, original = one.get("rope_type", ""), one.get("original_max_position_embeddings")
        if kind in _LENGTH_DEPENDENT and (original or config.max_position_embeddings) < length:
            return str(kind)
    return ""
