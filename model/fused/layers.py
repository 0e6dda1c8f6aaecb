"""A model's layers in the form of the kernels: linear layers packed and fused, norms, rotary tables and multipliers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch

from model.cache.kv_cache import SlotCache
from model.fused.families import FAMILIES, Family, activation_of, head_dim, linears_of
from model.fused.kernels import Activation, AttentionShape, FusedLayer, Kernels, LayerNorms, Norms, Rotary
from model.fused.packed import fuse, rebind

__all__ = ["fuse_layers", "norm_weight", "rebind_layers"]


def fuse_layers(model: Any, cache: SlotCache, kernels: Kernels) -> list[FusedLayer]:
    """Pack and fuse the layers of a model for which `why_not_fused` said nothing."""
    family, tables = FAMILIES[model.config.model_type], _RotaryTables(model, cache)
    return [_fused(model.config, layer, family, tables, kernels) for layer in model.model.layers]


def rebind_layers(model: Any, layers: Sequence[FusedLayer]) -> list[FusedLayer]:
    """Use the adapter slots' new buffers."""
    family = FAMILIES[model.config.model_type]
    return [_rebound(fused, layer, family) for fused, layer in zip(layers, model.model.layers, strict=True)]


def norm_weight(norm: Any, family: Family) -> torch.Tensor:
    """What a norm multiplies by: in fp32 where it rounds afterwards, as `Kernels.rms_norm` takes it."""
    weight: torch.Tensor = norm.weight
    if not family.rounds_once:
        return weight
    return (weight.float() + family.norm_offset).contiguous() if family.norm_offset else weight.float()


def _fused(config: Any, layer: Any, family: Family, tables: _RotaryTables, kernels: Kernels) -> FusedLayer:
    fused = {name: fuse(linears, kernels) for name, linears in linears_of(layer, family).items()}
    factor = float(getattr(layer, "residual_multiplier", 1.0))
    names = (family.before_attention, family.after_attention, family.before_mlp, family.after_mlp)
    return FusedLayer(
        qkv=fused["qkv"],
        out=replace(fused["out"], factor=factor),
        gate_up=fused["gate_up"],
        down=replace(fused["down"], factor=factor),
        norms=LayerNorms(*(norm_weight(getattr(layer, name), family) if name else None for name in names)),
        attention=_attention(config, layer.self_attn, family, tables),
        activation=cast("Activation", activation_of(config)),
    )


def _rebound(fused: FusedLayer, layer: Any, family: Family) -> FusedLayer:
    parts = linears_of(layer, family)
    return replace(
        fused,
        qkv=rebind(fused.qkv, parts["qkv"]),
        out=rebind(fused.out, parts["out"]),
        gate_up=rebind(fused.gate_up, parts["gate_up"]),
        down=rebind(fused.down, parts["down"]),
    )


def _attention(config: Any, attention: Any, family: Family, tables: _RotaryTables) -> AttentionShape:
    norms: Norms | None = None
    if hasattr(attention, "q_norm"):
        weights = (norm_weight(attention.q_norm, family), norm_weight(attention.k_norm, family))
        norms = (*weights, float(config.rms_norm_eps))
    window = config.sliding_window if family.one_window else getattr(attention, "sliding_window", None)
    rotary, turned = tables.of(attention)
    return AttentionShape(
        heads=int(config.num_attention_heads),
        scale=float(attention.scaling),
        rotary=rotary,
        turned=turned,
        window=int(window or 0),
        norms=norms,
        wide_norms=norms is not None and len(norms[0]) != head_dim(config),
    )


class _RotaryTables:
    """Cos and sin of each position of the cache, made once for each kind of layer."""

    def __init__(self, model: Any, cache: SlotCache) -> None:
        self._rotary_emb, self._cache = model.model.rotary_emb, cache
        self._family, self._dim = FAMILIES[model.config.model_type], head_dim(model.config)
        self._made: dict[str, tuple[Rotary, int]] = {}

    def of(self, attention: Any) -> tuple[Rotary, int]:
        """A layer's tables, [length, head_dim], and how many numbers of a head they turn."""
        kind = str(attention.layer_type) if self._family.rotary_by_kind else ""
        if not getattr(attention, "use_rope", True):
            kind = "none"
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def _make(self, kind: str) -> tuple[Rotary, int]:
        cache, dim = self._cache, self._dim
        ones = torch.ones(cache.length, dim, dtype=cache.dtype, device=cache.device)
        if kind == "none":
            return (ones, torch.zeros_like(ones)), dim
        places = torch.arange(cache.length, device=cache.device)[None]
        like = torch.zeros(1, dtype=cache.dtype, device=cache.device)
        cos, sin = (table[0] for table in self._rotary_emb(like, places, *([kind] if kind else [])))
        turned, rest = cos.shape[1], ones.to(cos.dtype)
        whole = [torch.cat((table, end[:, turned:]), dim=1) for table, end in ((cos, rest), (sin, 0 * rest))]
        return (whole[0].contiguous(), whole[1].contiguous()), turned
