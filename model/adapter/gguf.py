"""A LoRA adapter as GGUF, the form that llama.cpp takes with `--lora` and Ollama with `ADAPTER`.

Names, metadata and the order of rows follow llama.cpp's convert_lora_to_gguf.py: `blk.N.attn_q.weight.lora_a` [r, in]
and `.lora_b` [out, r], applied as alpha / r times B A. Its Llama graphs rotate neighbouring rows of q and k where
transformers' rotate the two halves of a head, so the rows of those two B matrices change places.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from model.adapter.files import AdapterWeights

__all__ = ["ARCHITECTURES", "UnknownArchitecture", "write_gguf_adapter"]

ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma3_text": "gemma3"}
)
"""transformers' model type -> llama.cpp's architecture, where every linear layer is a tensor of its own in both."""

_PERMUTED = {"llama"}


class UnknownArchitecture(ValueError):
    """A base whose tensors have no known names in GGUF."""


def write_gguf_adapter(target: Path, weights: AdapterWeights, config: Any, *, name: str) -> int:
    """Write `weights` to the file `target`; returns the number of tensors.

    Args:
        target: a file that is replaced if it exists.
        weights: as trained; a slot's padding has no part in them.
        config: transformers' configuration of the base.
        name: what the file calls itself.

    Raises:
        UnknownArchitecture: the base has no known counterpart in llama.cpp.
        OSError: the file cannot be written.
    """
    import gguf

    kind = ARCHITECTURES.get(config.model_type)
    if kind is None:
        raise UnknownArchitecture(config.model_type)
    architecture = {label: key for key, label in gguf.MODEL_ARCH_NAMES.items()}[kind]
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    partial = target.with_name(f".{target.name}.partial")
    writer = gguf.GGUFWriter(partial, kind)
    try:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_name(name)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, weights.scaling * weights.rank)
        for module, (a, folded) in weights.matrices.items():
            tensor = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
            if tensor is None:
                raise UnknownArchitecture(f"{config.model_type} ({module})")
            b = folded / weights.scaling
            if kind in _PERMUTED and module.endswith((".q_proj", ".k_proj")):
                heads = config.num_attention_heads if module.endswith(".q_proj") else config.num_key_value_heads
                b = _neighbours(b, heads)
            writer.add_tensor(f"{tensor}.lora_a", a.contiguous().numpy())
            writer.add_tensor(f"{tensor}.lora_b", b.contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        partial.replace(target)
    finally:
        writer.close()
        partial.unlink(missing_ok=True)
    return 2 * len(weights.matrices)


def _neighbours(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows [heads * size, r] of each head reordered from (first half, second half) to neighbouring pairs."""
    size = rows.shape[0] // heads
    return rows.reshape(heads, 2, size // 2, -1).swapaxes(1, 2).reshape(rows.shape)
