"""A published LoRA adapter on disk, read and validated in full before a single weight of the model moves.

Accepts what PEFT's `save_pretrained` writes. PEFT's own hot swap zeroes missing modules silently and does not refuse a
different alpha (peft 0.21, `peft/utils/hotswap.py`), so everything is compared here.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from model.adapter.variants import more_than_plain
from model.base.weight_files import damage_of
from model.errors import AdapterMismatch

__all__ = ["WEIGHTS", "AdapterWeights", "BaseIdentity", "check_adapter", "read_adapter"]

WEIGHTS = "adapter_model.safetensors"

_PREFIX = "base_model.model."
_LARGEST_JSON = 16_000_000  # bytes
_LARGEST_SCALING = 1e6
_UNSUPPORTED = ("rank_pattern", "alpha_pattern", "modules_to_save", "use_dora", "layer_replication", "lora_bias")


@dataclass(frozen=True)
class BaseIdentity:
    """What an adapter must have been trained on to be served: base id, its revision, its chat template's hash."""

    id: str
    revision: str
    template_hash: str


@dataclass(frozen=True)
class AdapterWeights:
    """A validated adapter in memory, fp32 on the CPU.

    Attributes:
        rank: LoRA rank r.
        scaling: LoRA's factor, alpha / r (rsLoRA: alpha / sqrt(r)).
        matrices: module path -> (A of shape [r, in], B of shape [out, r]); the factor is folded into B.
    """

    rank: int
    scaling: float
    matrices: Mapping[str, tuple[torch.Tensor, torch.Tensor]]


def read_adapter(path: Path, base: BaseIdentity, shapes: Mapping[str, tuple[int, int]]) -> AdapterWeights:
    """Read the adapter in `path`; `shapes` maps each adaptable module to (in_features, out_features).

    Raises AdapterMismatch when a file is missing or damaged, or when the adapter was made for another base, another
    revision of it, another chat template, or other shapes.
    """
    rank, scaling = check_adapter(path, base)
    weights = path / WEIGHTS
    try:
        if why := damage_of(weights):
            raise AdapterMismatch(path, f"its weights cannot be read: {why}")
        _check_shapes(path, weights, shapes, rank)
        tensors = load_file(weights)
    except (OSError, SafetensorError) as error:
        raise AdapterMismatch(path, "its weights cannot be read") from error
    return AdapterWeights(rank, scaling, _pair_up(path, tensors, shapes, rank, scaling))


def check_adapter(path: Path, base: BaseIdentity) -> tuple[int, float]:
    """Rank and scaling factor of the adapter in `path`, after a look at everything but its weights.

    Raises AdapterMismatch as `read_adapter` does, except for shapes and numbers.
    """
    manifest = _read_json(path, "manifest.json", required=False)
    _check_identity(path, manifest, base)
    _check_hashes(path, manifest)
    config = _read_json(path, "adapter_config.json", required=True)
    rank, scaling = _check_config(path, config)
    if not (path / WEIGHTS).is_file():
        raise AdapterMismatch(path, f"{WEIGHTS} is missing")
    return rank, scaling


def _read_json(path: Path, name: str, *, required: bool) -> dict[str, Any]:
    file = path / name
    if not required and not file.exists():
        return {}
    if not file.is_file():  # a device or a pipe may never end
        raise AdapterMismatch(path, f"{name} is missing")
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_JSON + 1)
        value = json.loads(content[:_LARGEST_JSON].decode())
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterMismatch(path, f"{name} cannot be read") from error
    if not isinstance(value, dict):
        raise AdapterMismatch(path, f"{name} is damaged")
    return value


def _check_identity(path: Path, manifest: Mapping[str, Any], base: BaseIdentity) -> None:
    expected = {"base_model": base.id, "base_revision": base.revision, "template_hash": base.template_hash}
    for key, value in expected.items():
        found = manifest.get(key)
        if found is not None and found != value:
            raise AdapterMismatch(path, f"it was trained with {key} {found}, and {value} is loaded")


def _check_hashes(path: Path, manifest: Mapping[str, Any]) -> None:
    files = manifest.get("files", {})
    if not isinstance(files, dict) or any(Path(name).name != name for name in files):
        raise AdapterMismatch(path, "manifest.json lists something else than the files beside it")
    for name, expected in files.items():
        try:
            if not (path / name).is_file():
                raise AdapterMismatch(path, f"{name} is missing")
            with (path / name).open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise AdapterMismatch(path, "a file that its manifest lists is missing") from error
        if found != expected:
            raise AdapterMismatch(path, f"{name} is damaged (its hash is not the manifest's)")


def _check_config(path: Path, config: Mapping[str, Any]) -> tuple[int, float]:
    """Rank and scaling factor; refuses what the slot cannot hold."""
    if config.get("peft_type") != "LORA":
        raise AdapterMismatch(path, f"it is a {config.get('peft_type')} adapter, not LoRA")
    extras = [name for name in _UNSUPPORTED if config.get(name)]
    if extras or config.get("bias", "none") != "none":
        raise AdapterMismatch(path, f"it uses {', '.join(extras) or 'trained biases'}, which is not supported")
    if (variant := more_than_plain(config)) is not None:
        raise AdapterMismatch(path, variant)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or not _positive(rank) or not _positive(alpha):
        raise AdapterMismatch(path, "adapter_config.json has no usable rank and alpha: both are numbers above 0")
    scaling = _positive(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if not 0 < scaling <= _LARGEST_SCALING:
        raise AdapterMismatch(path, f"its alpha of {alpha:g} would make {scaling:g} times of its weights")
    return rank, scaling


def _positive(value: Any) -> float:
    """A usable number above 0, else 0: no truth value, no infinity, nothing beyond a float."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max
    return float(value) if usable else 0.0


def _check_shapes(path: Path, weights: Path, shapes: Mapping[str, tuple[int, int]], rank: int) -> None:
    """Compare what the file says of its tensors with the base, before one of them takes memory."""
    with safe_open(weights, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118 - it is no dictionary
            module, kind = _place(path, key, shapes)
            inputs, outputs = shapes[module]
            if tuple(file.get_slice(key).get_shape()) != ((rank, inputs) if kind == "lora_A" else (outputs, rank)):
                raise AdapterMismatch(path, f"the weights of {module} do not have the shapes of this base")


def _place(path: Path, key: str, shapes: Mapping[str, tuple[int, int]]) -> tuple[str, str]:
    """Module and kind (`lora_A`, `lora_B`) of a tensor."""
    module, _, kind = key.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".")
    if kind not in {"lora_A", "lora_B"} or module not in shapes:
        raise AdapterMismatch(path, f"it adapts {module or key}, which this base does not have")
    return module, kind


def _pair_up(
    path: Path,
    tensors: Mapping[str, torch.Tensor],
    shapes: Mapping[str, tuple[int, int]],
    rank: int,
    scaling: float,
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        module, kind = _place(path, key, shapes)
        if not torch.isfinite(tensor).all():
            raise AdapterMismatch(path, f"the weights of {module} are not finite")
        found.setdefault(module, {})[kind] = tensor.float()
    if not found:
        raise AdapterMismatch(path, "it holds no LoRA weights")
    matrices = {}
    for module, halves in found.items():
        inputs, outputs = shapes[module]
        a, b = halves.get("lora_A"), halves.get("lora_B")
        if a is None or b is None or a.shape != (rank, inputs) or b.shape != (outputs, rank):
            raise AdapterMismatch(path, f"the weights of {module} do not have the shapes of this base")
        matrices[module] = (a, b * scaling)
        if not torch.isfinite(matrices[module][1]).all():
            raise AdapterMismatch(path, f"the weights of {module} are not finite once its alpha is applied")
    return matrices
