"""A base and an adapter as one plain model in bf16, for programs that take no adapters.

The base's 4-bit weights are unpacked, since those are what the adapter was trained on; W + (alpha / r) B A is added up
in fp32 and rounded once. Merged weights are not what was judged: rounding and any later quantisation change them.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import bitsandbytes
import torch

from model.adapter.files import AdapterWeights
from model.base.loading import LoadedBase

__all__ = ["write_merged"]


def write_merged(target: Path, base: LoadedBase, weights: AdapterWeights) -> None:
    """Write the merged model with its tokenizer and chat template to the new directory `target`.

    Args:
        target: does not exist, or is empty.
        base: freshly loaded; a CPU with AVX512-BF16 repacks the weights of one that has run.
        weights: an adapter that was read for this base.

    Raises:
        OSError: the directory cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _plain(base, weights).save_pretrained(scratch)
        base.tokenizer.save_pretrained(scratch)
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _plain(base: LoadedBase, weights: AdapterWeights) -> Any:
    """The unquantised model of the same shape, on the CPU, with the merged weights in it."""
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = base.model.config.to_dict()
    settings.pop("quantization_config", None)
    settings.pop("_name_or_path", None)
    config = AutoConfig.for_model(settings.pop("model_type"), **settings)
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, trust_remote_code=False)
    plain.to_empty(device="cpu")
    merged: dict[str, torch.Tensor] = {}
    for name, module in base.model.named_modules():
        for kind, parameter in module.named_parameters(recurse=False):
            full = f"{name}.{kind}" if name else kind
            merged[full] = _value(module, parameter, weights.matrices.get(name) if kind == "weight" else None)
    merged |= {name: buffer.cpu() for name, buffer in base.model.named_buffers()}
    with torch.no_grad():
        for name, tensor in (*plain.named_parameters(), *plain.named_buffers()):
            tensor.copy_(merged[name])
    plain.tie_weights()
    plain.generation_config = base.model.generation_config
    return plain


def _value(module: Any, parameter: torch.Tensor, pair: tuple[torch.Tensor, torch.Tensor] | None) -> torch.Tensor:
    """A weight unpacked, with its adapter added: [out, in] in bf16 on the CPU."""
    weight = parameter.data
    if isinstance(module, bitsandbytes.nn.Linear4bit) and hasattr(parameter, "quant_state"):
        weight = bitsandbytes.functional.dequantize_4bit(weight, parameter.quant_state)
    weight = weight.float().cpu()
    if pair is not None:
        a, b = pair
        weight += b @ a
    return weight.bfloat16()
