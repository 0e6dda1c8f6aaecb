"""Whether PEFT computes with an adapter what plain LoRA is: asked of PEFT itself, on layers of the adapter's own sizes.

A list of variants is never complete. So two of the layers that an adapter sits on are made with random weights, PEFT
loads the adapter onto them as it would onto the base, and its outputs are compared with W x + (alpha / r) B A x.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.adapter.files import AdapterWeights
from model.adapter.variants import unusual_settings

__all__ = ["not_plain"]

log = logging.getLogger(__name__)

_LAYERS, _TOKENS = 2, 4
_TOLERANCE = 1e-3  # relative; another base or another moment makes it 0.1 to 1


def not_plain(directory: Path, config: Mapping[str, Any], weights: AdapterWeights) -> str | None:
    """Why an adapter is not plain LoRA by what PEFT computes with it; None where it is.

    Args:
        directory: what PEFT saved.
        config: its adapter_config.json.
        weights: as the engine reads them.
    """
    names = sorted(weights.matrices, key=lambda name: sum(map(torch.numel, weights.matrices[name])))[:_LAYERS]
    pairs = {name: weights.matrices[name] for name in names}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the layers that are left out
            apart = max(_distances(directory, pairs))
    except Exception as error:
        log.info("PEFT cannot put %s on layers of its sizes", directory, exc_info=error)
        return f"PEFT cannot load it onto plain layers ({type(error).__name__}){_because(config)}"
    log.debug("PEFT differs from plain LoRA by %.5f", apart)
    return None if apart < _TOLERANCE else f"PEFT computes something else with it than plain LoRA is{_because(config)}"


def _because(config: Mapping[str, Any]) -> str:
    unusual = unusual_settings(config)
    return f": its settings say {', '.join(unusual)}" if unusual else ""


def _distances(directory: Path, pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]) -> list[float]:
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    draw = torch.Generator().manual_seed(0)
    model, bases = _Layers(), {}
    for name, (a, b) in pairs.items():
        bases[name] = torch.randn(b.shape[0], a.shape[1], generator=draw) * a.shape[1] ** -0.5
        model.put(name, bases[name])
    settings: Any = LoraConfig.from_pretrained(str(directory))
    settings.target_modules, settings.exclude_modules = list(pairs), None
    settings.layers_to_transform = settings.layers_pattern = None
    settings.inference_mode = True
    inject_adapter_in_model(settings, model)
    wanted = tuple(f".{name}." for name in pairs)
    tensors = load_file(directory / "adapter_model.safetensors")
    ours = {key: tensor for key, tensor in tensors.items() if any(part in f".{key}" for part in wanted)}
    set_peft_model_state_dict(model, {key.removeprefix("base_model.model."): tensor for key, tensor in ours.items()})
    model.eval()
    distances = []
    for name, (a, b) in pairs.items():
        x = torch.randn(_TOKENS, a.shape[1], generator=draw)
        plain = x @ bases[name].T + x @ a.T @ b.T
        found = model.get_submodule(name)(x)
        distances.append(float((found - plain).norm() / plain.norm()))
    return distances


class _Layers(nn.Module):
    """Linear layers at paths of their own."""

    def put(self, path: str, weight: torch.Tensor) -> None:
        """A layer with this weight at `path`."""
        parent: nn.Module = self
        *way, last = path.split(".")
        for step in way:
            if not hasattr(parent, step):
                parent.add_module(step, nn.Module())
            parent = parent.get_submodule(step)
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        layer.weight.data = weight.clone()
        parent.add_module(last, layer)
