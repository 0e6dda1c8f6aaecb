"""Published adapters for other programs: as a GGUF adapter, or merged with the base into a plain model.

Reads through the same checks as the engine and writes outside the home. Says nothing of how the files are used.
"""

from __future__ import annotations

from pathlib import Path

from model.adapter.base_shapes import Skeleton, read_skeleton
from model.adapter.files import AdapterWeights, read_adapter
from model.adapter.gguf import ARCHITECTURES, UnknownArchitecture, write_gguf_adapter
from model.adapter.merge import write_merged
from model.adapter.target_modules import adaptable, is_plain
from model.base.loading import load_base
from model.config import ModelConfig
from model.errors import AdapterMismatch
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from trainer.errors import ExportRefused

__all__ = ["export_gguf", "export_merged"]


def export_gguf(home: Home, model: ModelConfig, adapter: str, target: Path) -> int:
    """Write a published adapter to the GGUF file `target`; returns the number of tensors.

    Raises:
        AdapterMissing, AdapterDamaged: there is no such adapter, or its files have changed.
        ExportRefused: it is not the configured base's, the base has no GGUF form, or the file cannot be written.
        ModelError: the configured base cannot be read.
    """
    skeleton, weights = _read(home, model, adapter)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return write_gguf_adapter(target, weights, skeleton.config, name=adapter)
    except UnknownArchitecture as error:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ExportRefused(adapter, f"its base is of the kind {error}, and GGUF names are known for {known}") from None
    except OSError as error:
        raise ExportRefused(adapter, f"{target} cannot be written ({error.strerror or error})") from error


def export_merged(home: Home, model: ModelConfig, adapter: str, target: Path) -> None:
    """Write base and adapter as one model in bf16 to the new directory `target`.

    Raises:
        AdapterMissing, AdapterDamaged: there is no such adapter, or its files have changed.
        ExportRefused: it is not the configured base's, or the directory is there already or cannot be written.
        ModelError: the configured base cannot be loaded.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ExportRefused(adapter, f"{target} exists already; name a new directory")
    _, weights = _read(home, model, adapter)
    base = load_base(model, home.models)
    if not all(map(is_plain, adaptable(base.model).values())):
        raise ExportRefused(adapter, "its base is packed with GPTQ, which is not unpacked here; export it with --gguf")
    try:
        write_merged(target, base, weights)
    except OSError as error:
        raise ExportRefused(adapter, f"{target} cannot be written ({error.strerror or error})") from error


def _read(home: Home, model: ModelConfig, adapter: str) -> tuple[Skeleton, AdapterWeights]:
    directory = AdapterDirectory(home.adapters)
    directory.verify(adapter)
    skeleton = read_skeleton(model, home.models)
    try:
        return skeleton, read_adapter(directory.path(adapter), skeleton.identity, skeleton.shapes)
    except AdapterMismatch as error:
        raise ExportRefused(adapter, error.why) from error
