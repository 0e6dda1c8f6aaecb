"""Mixtures of experts by their configuration alone: how many experts there are, how wide, and in which layers.

The families say the same in different words; all that are known stand here. Plain arithmetic, no weights, no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Experts"]


@dataclass(frozen=True)
class Experts:
    """Gated feed-forwards of which each token goes through a few.

    Attributes:
        count: experts in a layer that has them.
        width: of one expert.
        active: experts that a token goes through.
        shared: width of the feed-forward beside them that every token goes through; 0 where there is none.
        layers: layers with experts.
        dense_layers: layers with one plain feed-forward instead.
        dense_width: its width.
    """

    count: int
    width: int
    active: int
    shared: int
    layers: int
    dense_layers: int
    dense_width: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Experts | None:
        """Read a Hugging Face `config.json`; None for a model without experts. Raises KeyError without sizes."""
        count = _first(config, "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
        if count <= 1:
            return None
        layers = int(config["num_hidden_layers"])
        width = _first(config, "moe_intermediate_size", "expert_ffn_hidden_size") or int(config["intermediate_size"])
        dense = _dense_layers(config, layers)
        return cls(
            count=count,
            width=width,
            active=max(1, _first(config, "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k")),
            shared=_first(config, "shared_expert_intermediate_size", "shared_intermediate_size")
            or width * _first(config, "n_shared_experts", "num_shared_experts"),
            layers=layers - dense,
            dense_layers=dense,
            dense_width=_first(config, "intermediate_size_mlp", "intermediate_size") or width,
        )

    @property
    def active_width(self) -> int:
        """Width of all feed-forwards that a token goes through in a layer with experts."""
        return self.active * self.width + self.shared

    def parameters(self, hidden: int) -> int:
        """Weights of all experts and their routers."""
        return self.layers * self.count * (3 * hidden * self.width + hidden)

    def dense_parameters(self, hidden: int) -> int:
        """Weights of the feed-forwards that every token goes through."""
        return 3 * hidden * (self.layers * self.shared + self.dense_layers * self.dense_width)


def _dense_layers(config: Mapping[str, Any], layers: int) -> int:
    """How many layers have a plain feed-forward instead of experts."""
    kinds = config.get("mlp_layer_types")
    if isinstance(kinds, list):
        return sum(kind == "dense" for kind in kinds)
    first, alone = _first(config, "first_k_dense_replace"), set(config.get("mlp_only_layers") or ())
    step = max(1, _first(config, "decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_freq"))
    sparse = [layer for layer in range(first, layers) if layer not in alone and (layer + 1) % step == 0]
    return layers - len(sparse)


def _first(config: Mapping[str, Any], *names: str) -> int:
    """The first of these settings that is a number; 0 where none is."""
    return next((int(value) for name in names if isinstance(value := config.get(name), int)), 0)
