"""Whether a base can be served and adapted at all, asked before hours are spent: of a small random one of its kind.

The base's configuration with few layers, few words and few experts makes a model of some millions of random weights.
It is packed in 4 bits as the base would be, PEFT puts an adapter on it, and the engine compares its ways of computing
(model/serving/parity.py). Weights are not needed, so `doctor` can ask without loading gigabytes.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from model.config import ModelConfig
from model.errors import BaseUnsuitable
from model.serving.parity import KNOWN

__all__ = ["check_suitable"]

log = logging.getLogger(__name__)

_MOST_LAYERS, _WORDS, _EXPERTS, _WIDTH = 8, 512, 4, 256
_EXPERT_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
_WIDTHS = ("intermediate_size", "moe_intermediate_size", "shared_expert_intermediate_size", "intermediate_size_mlp")
_CPU = torch.device("cpu")


def check_suitable(name: str, config: Any, settings: ModelConfig) -> str:
    """Ask whether a base of this configuration can be used; returns how it would be served, "" where nothing was asked.

    Args:
        name: of the base, for the sentence.
        config: transformers' configuration of the base.
        settings: how it is to be served.

    Raises:
        BaseUnsuitable: it cannot.
    """
    text = config.get_text_config()
    if text.model_type in KNOWN:
        return ""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            _write_small(text, Path(scratch))
        except Exception as error:  # noqa: BLE001 - it cannot be made small: the engine compares at its start
            log.info("Whether %s can be used is not asked: %s", name, error)
            return ""
        try:
            return _served(name, scratch, settings)
        except BaseUnsuitable:
            raise
        except Exception as error:
            log.info("A small model of the kind of %s fails", name, exc_info=error)
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise BaseUnsuitable(name, f"packing or adapting it fails ({why})") from error


def _write_small(config: Any, target: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    values = _small(config.to_dict())
    made = AutoConfig.for_model(values.pop("model_type"), **values)
    model = AutoModelForCausalLM.from_config(made, dtype=torch.float32, trust_remote_code=False).eval()
    with torch.inference_mode():
        model(input_ids=torch.tensor([[3, 4, 5]]), use_cache=False)
    model.save_pretrained(target)


def _small(values: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with the same kinds of layers, and fewer of them."""
    layers = int(values.get("num_hidden_layers") or values.get("n_layer") or 2)
    kept = min(layers, _layers_needed(values, layers))
    lists = {key for key, value in values.items() if isinstance(value, list) and len(value) == layers and layers > 1}
    small = {key: value[:kept] if key in lists else value for key, value in values.items()}
    changes: dict[str, Any] = {"num_hidden_layers": kept, "n_layer": kept, "vocab_size": _WORDS}
    changes |= {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    changes |= {key: min(int(values[key]), _WIDTH) for key in _WIDTHS if isinstance(values.get(key), int)}
    active = int(values.get("num_experts_per_tok") or 1)
    changes |= {
        key: min(int(values[key]), max(_EXPERTS, active)) for key in _EXPERT_COUNTS if isinstance(values.get(key), int)
    }
    small |= {key: value for key, value in changes.items() if key in values}
    for leftover in ("quantization_config", "_name_or_path", "transformers_version", "architectures", "dtype"):
        small.pop(leftover, None)
    return small


def _layers_needed(values: Mapping[str, Any], layers: int) -> int:
    """How many of the first layers hold one of each kind."""
    needed = 2
    for value in values.values():
        if isinstance(value, list) and len(value) == layers:
            kinds = [str(kind) for kind in value]
            needed = max([needed, *(kinds.index(kind) + 1 for kind in set(kinds))])
    return min(max(needed, int(values.get("first_k_dense_replace") or 0) + 1), _MOST_LAYERS)


def _served(name: str, directory: str, settings: ModelConfig) -> str:
    from model.base.loading import LoadedBase
    from model.serving.decoder import Decoder

    model = _packed(directory)
    served = replace(settings, device="cpu", dtype="float32", slots=1, lora_rank=4)
    with torch.inference_mode():
        decoder = Decoder(LoadedBase(model.eval(), None, name, "", "", _CPU, torch.float32), served)
        decoder.warm_up()
    _adapt(name, _packed(directory))
    return decoder.path


def _packed(directory: str) -> Any:
    from transformers import AutoModelForCausalLM

    from model.base.conversion import quantisation
    from model.base.loading import set_compute_type

    model = AutoModelForCausalLM.from_pretrained(
        directory,
        dtype=torch.float32,
        quantization_config=quantisation(),
        device_map={"": _CPU},
        use_safetensors=True,
        trust_remote_code=False,
    )
    set_compute_type(model, torch.float32)
    return model.requires_grad_(requires_grad=False)


def _adapt(name: str, model: Any) -> None:
    """Put an adapter on the model and send a gradient to it."""
    from bitsandbytes.nn import Linear4bit
    from peft import LoraConfig, get_peft_model

    from model.adapter.target_modules import adaptable, targets

    if not adaptable(model):
        raise BaseUnsuitable(name, "it has no linear layer that an adapter could sit on")
    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False  # a repacked layer has no gradient
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=targets(model), task_type="CAUSAL_LM"))
    adapted.train()(input_ids=torch.tensor([[3, 4, 5]]), use_cache=False).logits.sum().backward()
