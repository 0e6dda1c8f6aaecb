"""LoRA adapters that are more than A and B: their names as people know them, and the way out. Plain decisions.

A plain adapter adds (alpha / r) B A x to a layer of the base as it is. Some ways to begin (PiSSA, OLoRA) change that
base, and some variants act elsewhere or at other times (DoRA, aLoRA, KaSA): served as plain ones they answer wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["more_than_plain", "unusual_settings"]

_CONVERT = (
    "convert it to plain LoRA with PEFT where it was trained "
    "(save_pretrained(..., path_initial_model_for_weight_conversion=...)) and adopt that"
)
_AGAIN = "train it as plain LoRA, or merge it into its base with PEFT and use that as the base"
_BEGINNINGS = {"pissa": "PiSSA", "mipissa": "MiPiSSA", "olora": "OLoRA", "corda": "CorDA", "loftq": "LoftQ"}
_CONVERTED_BY_PEFT = {"PiSSA", "OLoRA", "CorDA"}
_VARIANTS = {
    "alora_invocation_tokens": "aLoRA",
    "kasa_config": "KaSA",
    "use_qalora": "QALoRA",
    "use_bdlora": "BD-LoRA",
    "arrow_config": "Arrow",
    "monteclora_config": "MonteCLoRA",
    "trainable_token_indices": "trained token embeddings",
    "target_parameters": "LoRA on parameters",
}
_PLAIN = {
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "loftq_config",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
}
_PLAIN_BEGINNINGS = {"true", "false", "gaussian", "none"}


def more_than_plain(config: Mapping[str, Any]) -> str | None:
    """What an `adapter_config.json` says that plain LoRA is not, with the way out; None where it says nothing such."""
    beginning = str(config.get("init_lora_weights", True)).lower()
    name = next((label for start, label in _BEGINNINGS.items() if beginning.startswith(start)), None)
    if name is not None:
        return (
            f"it begins with {name}, which changes the base too: {_CONVERT if name in _CONVERTED_BY_PEFT else _AGAIN}"
        )
    variant = next((label for key, label in _VARIANTS.items() if config.get(key)), None)
    return None if variant is None else f"it is {variant}, which is more than plain LoRA: {_AGAIN}"


def unusual_settings(config: Mapping[str, Any]) -> list[str]:
    """Settings of an `adapter_config.json` that may make more of it, as `name = value`; for what has no name here."""
    beginning = config.get("init_lora_weights", True)
    unusual = [f"init_lora_weights = {beginning}"] if str(beginning).lower() not in _PLAIN_BEGINNINGS else []
    known = _PLAIN | {"init_lora_weights"}
    return unusual + [f"{key} = {str(value)[:40]}" for key, value in config.items() if value and key not in known]
