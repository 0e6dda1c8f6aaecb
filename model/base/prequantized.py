"""Bases whose weights come packed already: which of them can be loaded, and what that needs.

They are kept as they are: NF4 as bitsandbytes packs it, and GPTQ through transformers and the package gptqmodel.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from model.base.files import BaseRef
from model.errors import BaseNotFound

__all__ = ["comes_packed", "local_directory"]

_NEEDED = ("gptqmodel", "optimum")


def comes_packed(ref: BaseRef) -> bool:
    """Whether the base's own files are loaded as they are; False where it is to be quantised.

    Raises BaseNotFound for a base packed in a way that is not read, or with GPTQ where a package is missing.
    """
    packed = _packing_of(ref)
    if packed is None:
        return False
    method = str(getattr(packed.get("quant_method"), "value", packed.get("quant_method")))
    if method == "bitsandbytes":
        # Without double quantisation a trip through state_dict() spoils the weights on some CPUs (bitsandbytes 0.50).
        if packed.get("bnb_4bit_quant_type") == "nf4" and packed.get("bnb_4bit_use_double_quant"):
            return True
        raise BaseNotFound(ref.id, "bitsandbytes packed its weights otherwise than in NF4 with double quantisation")
    if method != "gptq":
        raise BaseNotFound(ref.id, f"its weights are packed with {method}, and only plain, GPTQ or NF4 ones are read")
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        why = f"its weights are packed with GPTQ, which needs {' and '.join(missing)}"
        raise BaseNotFound(ref.id, f"{why} (docs/models.md says how to install)")
    return True


def _packing_of(ref: BaseRef) -> dict[str, Any] | None:
    """The base's own `quantization_config`; None when its weights are plain or GGUF."""
    from transformers import AutoConfig

    if ref.gguf_file:
        return None
    config = AutoConfig.from_pretrained(ref.source, revision=ref.hub_revision, trust_remote_code=False)
    packed: Any = getattr(config, "quantization_config", None)
    return packed if packed is None or isinstance(packed, dict) else dict(packed.to_dict())


def local_directory(ref: BaseRef) -> Path:
    """Where a base's own files are; those of one on the Hugging Face hub are fetched. Raises OSError, ValueError."""
    if ref.hub_revision is None:
        return Path(ref.source)
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(ref.source, revision=ref.hub_revision))
