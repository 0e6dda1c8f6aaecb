"""The sizes of a base model whose config is on this machine already. Fetches nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

from trainer.training.memory import EMBEDDED_SHAPE, ModelShape

__all__ = ["local_shape"]


def local_shape(base: str, models: Path) -> ModelShape | None:
    """The shape of what `[model] base` names; None where its config is not here, or does not tell.

    Args:
        base: as the setting has it.
        models: where converted bases are kept, whose configs tell too.
    """
    if base == "embedded":
        return EMBEDDED_SHAPE
    try:
        config = _config(base, models)
        return None if config is None else ModelShape.from_config(json.loads(config.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _config(base: str, models: Path) -> Path | None:
    path = Path(base).expanduser()
    if path.is_dir():
        return path / "config.json"
    name = Path(base.partition("@")[0]).name.removesuffix(".gguf")
    # A revision is a hash, so that Qwen3-4B does not find Qwen3-4B-Instruct-2507.
    own = re.compile(re.escape(re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")) + r"(\.gguf)?-[0-9a-f]{12}-nf4")
    found_here = [one for one in models.glob("*-nf4/config.json") if own.fullmatch(one.parent.name)]
    converted = sorted(found_here, key=lambda one: one.stat().st_mtime)
    if converted:
        return converted[-1]
    from huggingface_hub import try_to_load_from_cache

    found = None if path.suffix == ".gguf" else try_to_load_from_cache(base.partition("@")[0], "config.json")
    return Path(found) if isinstance(found, str) else None
