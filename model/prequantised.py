"""Bases whose weights come packed already: which of them can be loaded, and what that needs.

GPTQ layers are kept as they are, through transformers and the package gptqmodel; adapters sit on them as on any other.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from model.base_files import BaseRef
from model.errors import BaseNotFound

__all__ = ["is_gptq", "local_directory"]

_NEEDED = ("gptqmodel", "optimum")


def _packing_of(ref: BaseRef) -> str | None:
    """How the base's own files are packed ("gptq", "bitsandbytes", ...); None when they are plain or GGUF."""
    from transformers import AutoConfig

    if ref.gguf_file:
        return None
    config = AutoConfig.from_pretrained(ref.source, revision=ref.hub_revision)
    packed: Any = getattr(config, "quantization_config", None)
    if packed is None:
        return None
    method = packed.get("quant_method") if isinstance(packed, dict) else getattr(packed, "quant_method", None)
    return str(getattr(method, "value", method))


def is_gptq(ref: BaseRef) -> bool:
    """Whether the base is packed with GPTQ and can be loaded here; False where it is to be quantised.

    Raises BaseNotFound for a base packed in another way, or with GPTQ where a package is missing.
    """
    packing = _packing_of(ref)
    if packing in (None, "bitsandbytes"):
        return False
    if packing != "gptq":
        raise BaseNotFound(ref.id, f"its weights are packed with {packing}, and only plain, GPTQ or NF4 ones are read")
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        why = f"its weights are packed with GPTQ, which needs {' and '.join(missing)}"
        raise BaseNotFound(ref.id, f"{why} (docs/performance.md says how to install)")
    return True


def local_directory(ref: BaseRef) -> Path:
    """Where a base's own files are; those of one on the Hugging Face hub are fetched. Raises OSError, ValueError."""
    if ref.hub_revision is None:
        return Path(ref.source)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(ref.source, revision=ref.hub_revision))
