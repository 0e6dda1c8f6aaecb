"""The weights of one adapter among those on a model: kept, put back, copied from another, or drawn afresh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["copy_adapter", "draw_afresh", "restore", "same_shape", "weights_of"]


def weights_of(model: Any, adapter: str) -> dict[str, torch.Tensor]:
    """A copy of an adapter's weights on the CPU, by their names in the model."""
    return {name: weight.detach().cpu().clone() for name, weight in _parameters(model, adapter)}


def restore(model: Any, adapter: str, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights from `weights_of` back in place."""
    with torch.no_grad():
        for name, weight in _parameters(model, adapter):
            weight.copy_(weights[name])


def copy_adapter(model: Any, source: str, target: str) -> None:
    """Give one adapter the weights of another of the same shape."""
    weights = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in _parameters(model, target):
            weight.copy_(weights[name.replace(f".{target}.", f".{source}.")])


def draw_afresh(model: Any, adapter: str) -> None:
    """Give an adapter the random weights of a new one, which changes nothing of what the base says."""
    for module in model.modules():
        if adapter in getattr(module, "lora_A", ()):
            module.reset_lora_parameters(adapter, init_lora_weights=True)


def same_shape(model: Any, one: str, other: str) -> bool:
    """Whether two adapters have the same layers, rank and scale, so that one can take the other's weights."""

    def shape(adapter: str) -> tuple[Any, ...]:
        config = model.peft_config[adapter]
        names = {name.replace(f".{adapter}.", ".") for name, _ in _parameters(model, adapter)}
        return config.r, config.lora_alpha, bool(config.use_rslora), names

    return shape(one) == shape(other)


def _parameters(model: Any, adapter: str) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, weight) for name, weight in model.named_parameters() if f".{adapter}." in name]
