"""The layers of a decoder that an adapter may sit on: every linear one but the output head, however it is packed.

Not among them: routers and other layers that are linear by class and compute something else, and the projections of
state spaces that PEFT refuses. Experts are no layers but parameters, and have no part in an adapter.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import nn

__all__ = ["adaptable", "is_plain", "targets"]

_EXPERTS_DIM = 3  # [experts, out, in]
_STATE_SPACES = {"falcon_h1", "mamba", "mamba2", "falcon_mamba", "nemotron_h"}
_OF_STATE_SPACES = frozenset({"out_proj", "conv1d"})


def adaptable(model: Any) -> dict[str, Any]:
    """Module path -> layer, in the model's order. Each has `in_features` and `out_features`."""
    head, refused = model.get_output_embeddings(), _refused_by_peft(model.config)
    return {
        name: module
        for name, module in model.named_modules()
        if _is_linear(module) and module is not head and name.rpartition(".")[2] not in refused
    }


def is_plain(module: nn.Module) -> bool:
    """Whether a layer is torch's own or bitsandbytes', which PEFT finds by itself; a GPTQ layer is neither."""
    kind = type(module)
    own = kind is nn.Linear or kind.__module__.startswith("bitsandbytes.")
    return isinstance(module, nn.Linear) and (own or _computes_one_tensor(module))


def _computes_one_tensor(module: nn.Linear) -> bool:
    """Whether a layer of a class of its own gives what a linear one gives, and not a router's choice of experts."""
    x = torch.zeros(1, 1, module.in_features, dtype=module.weight.dtype, device=module.weight.device)
    try:
        with torch.no_grad():
            y = module(x)
    except Exception:  # noqa: BLE001 - then it is something else, whatever it wants
        return False
    return isinstance(y, torch.Tensor) and tuple(y.shape) == (1, 1, module.out_features)


def targets(model: Any) -> str | list[str]:
    """What a LoRA configuration of PEFT names as its targets, to adapt exactly the layers of `adaptable`."""
    layers = adaptable(model)
    head = model.get_output_embeddings()
    linear = {name for name, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head}
    # "all-linear" takes experts, too (peft 0.21), in a shape that no other program reads.
    return "all-linear" if linear == set(layers) and not _has_experts(model) else sorted(layers)


def _has_experts(model: Any) -> bool:
    return any(parameter.ndim == _EXPERTS_DIM for parameter in model.parameters())


def _refused_by_peft(config: Any) -> frozenset[str]:
    """Names of layers that peft 0.21 refuses, or takes for its names of experts and adapts those instead.

    `_check_lora_target_modules_mamba` in tuners/tuners_utils.py, whose reason is that kernels of these families do not
    call such layers, and `_convert_peft_config_moe` in utils/transformers_weight_conversion.py.
    """
    conversion: Any = importlib.import_module("peft.utils.transformers_weight_conversion")  # no public names
    of_experts = conversion._MODEL_TO_CONVERSION_PATTERN.get(config.model_type)  # noqa: SLF001
    names: frozenset[str] = frozenset(conversion._MOE_TARGET_MODULE_MAPPING.get(of_experts, ()))  # noqa: SLF001
    return names | _OF_STATE_SPACES if config.model_type in _STATE_SPACES else names


def _is_linear(module: nn.Module) -> bool:
    return is_plain(module) or (hasattr(module, "qweight") and hasattr(module, "in_features"))
