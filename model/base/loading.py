"""A base model ready to serve or to be trained on: converted by model/base/conversion.py, then loaded.

This file knows no adapters and no generation.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bitsandbytes
import torch
import transformers

from model.base.conversion import convert_base, readable
from model.base.device import pick_device, pick_dtype, use_device
from model.base.memory import check_fit
from model.base.output_layer import keep_contiguous
from model.base.tokenizer import chat_tokenizer
from model.chat import template_hash
from model.config import ModelConfig
from model.cores import cores

__all__ = ["LoadedBase", "load_base", "set_compute_type"]


@dataclass(frozen=True)
class LoadedBase:
    """A base model ready to serve or to be trained on: 4-bit weights, eval mode, no adapter.

    Attributes:
        model: a transformers causal language model.
        tokenizer: its tokenizer, with a chat template.
        id: the name people know it by; part of every adapter's manifest.
        revision: which weights exactly; part of every adapter's manifest.
        template_hash: identity of the chat template.
        device: where the weights are.
        dtype: compute type of everything that is not 4-bit.
    """

    model: Any
    tokenizer: Any
    id: str
    revision: str
    template_hash: str
    device: torch.device
    dtype: torch.dtype


def load_base(config: ModelConfig, cache_dir: Path) -> LoadedBase:
    """Load the configured base in NF4, converting and caching it the first time. Its device becomes this thread's.

    Raises BaseNotFound when there is no such model or it cannot be read, DoesNotFit when the GPU has no room for it,
    OutOfMemory when memory ran out nevertheless.
    """
    if cores() < torch.get_num_threads():  # a container's share: torch counts the machine's cores
        torch.set_num_threads(cores())
    transformers.utils.logging.disable_progress_bar()  # it draws over replies and over the trainer's own bar
    ref, cached = convert_base(config, cache_dir)
    device = pick_device(config.device)
    use_device(device)
    dtype = pick_dtype(config.dtype, device)
    with readable(config.base, device):
        tokenizer = chat_tokenizer(ref, config, cache_dir.parent, cached)
        check_fit(
            cached,
            transformers.AutoConfig.from_pretrained(cached, trust_remote_code=False),
            config.context_tokens,
            dtype,
            device,
        )
        model = _load_quantised(cached, device, dtype)
    return LoadedBase(model, tokenizer, ref.id, ref.revision, template_hash(tokenizer), device, dtype)


def _load_quantised(directory: Path, device: torch.device, dtype: torch.dtype) -> Any:
    """Load a converted base; bitsandbytes computes in the type of its input, so `dtype` decides everything."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        directory, device_map={"": device}, dtype=dtype, use_safetensors=True, trust_remote_code=False
    )
    set_compute_type(model, dtype)
    for weight in model.parameters():
        if weight.is_floating_point():  # a base that was converted on a CPU has its norms in fp32
            weight.data = weight.data.to(dtype)
    keep_contiguous(model)
    model.eval().requires_grad_(requires_grad=False)
    return model


def set_compute_type(model: Any, dtype: torch.dtype) -> None:
    """Let every packed layer compute in `dtype`, and none be repacked that cannot be."""
    for module in model.modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            module.compute_dtype, module.compute_type_is_set = dtype, True
            if dtype == torch.float16:  # else it is unpacked to the type it was converted in, and rounded twice
                packed: Any = module.weight
                packed.quant_state.dtype = dtype
            if module.out_features % 32 or module.in_features % 64:
                # bitsandbytes 0.50 repacks for AVX512-BF16 in blocks of these sizes, and fails where they do not fit.
                module.support_avx512bf16_for_cpu = False
