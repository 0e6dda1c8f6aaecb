"""The layers of a decoder that an adapter may sit on: every linear one but the output head, however it is packed."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["adaptable", "is_plain"]


def adaptable(model: Any) -> dict[str, Any]:
    """Module path -> layer, in the model's order. Each has `in_features` and `out_features`."""
    head = model.get_output_embeddings()
    return {name: module for name, module in model.named_modules() if _is_linear(module) and module is not head}


def is_plain(module: nn.Module) -> bool:
    """Whether a layer is torch's own or bitsandbytes', which PEFT finds by itself; a GPTQ layer is neither."""
    return isinstance(module, nn.Linear)


def _is_linear(module: nn.Module) -> bool:
    return is_plain(module) or (hasattr(module, "qweight") and hasattr(module, "in_features"))
