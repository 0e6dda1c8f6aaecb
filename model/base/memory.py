"""What serving will need, before anything is allocated: rows of the cache, and whether a base fits at all.

And what is said where memory ran out nevertheless.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from model.device_errors import is_out_of_memory
from model.errors import DoesNotFit, ModelError, OutOfMemory

__all__ = ["check_fit", "check_room", "choose_slots", "free_bytes", "memory_watched", "row_bytes"]

log = logging.getLogger(__name__)

_CPU_SLOTS = 8
_MOST_SLOTS = 32
_SHARE = 0.5  # of the memory that is free once the weights are in; the rest is for prompts and their activations
_WORKING_BYTES = 800_000_000  # activations of one prompt chunk, kernels, CUDA's own


def free_bytes(device: torch.device) -> float | None:
    """Memory of a GPU that this process can have, what its allocator keeps included; None elsewhere: nobody counts."""
    if device.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(torch.cuda.mem_get_info(device)[0] + kept)


def check_room(needed: int, device: torch.device, what: str) -> None:
    """Raise DoesNotFit when a GPU has no room for `needed` bytes."""
    free = free_bytes(device)
    if free is not None and needed > free:
        raise DoesNotFit(needed, int(free), what)


def row_bytes(config: Any, context: int, dtype: torch.dtype) -> int:
    """Keys and values of one conversation of `context` tokens, in bytes."""
    config = config.get_text_config()
    try:
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    except Exception:  # noqa: BLE001 - state spaces have no heads, and some families raise errors of their own
        heads, dim = 1, int(getattr(config, "hidden_size", 1))
    return int(2 * getattr(config, "num_hidden_layers", 1) * heads * dim * context * dtype.itemsize)


def choose_slots(wanted: int, config: Any, context: int, dtype: torch.dtype, device: torch.device) -> int:
    """How many conversations are answered at once; 0 chooses from the free memory, a power of two.

    Raises DoesNotFit when not even one row, or not the rows asked for, fit on a GPU.
    """
    if device.type != "cuda":
        return wanted or _CPU_SLOTS
    free = torch.cuda.mem_get_info(device)[0]
    each = row_bytes(config, context, dtype)
    fitting = int(max(0, free - _WORKING_BYTES) // each) if wanted else int(free * _SHARE // each)
    if fitting < max(1, wanted):
        raise DoesNotFit(each * max(1, wanted) + _WORKING_BYTES, free, f"A cache of {max(1, wanted)} conversations")
    return wanted or min(_MOST_SLOTS, 1 << (fitting.bit_length() - 1))


def check_fit(directory: Path, config: Any, context: int, dtype: torch.dtype, device: torch.device) -> None:
    """Say what serving the converted base in `directory` will take.

    Raises DoesNotFit when the base and one conversation do not fit on the GPU.
    """
    weights = sum(file.stat().st_size for file in directory.glob("*.safetensors"))
    each = row_bytes(config, context, dtype)
    log.info(
        "The base model %s takes %.2f GB on %s, and each conversation of up to %d tokens %.0f MB",
        *(directory.name, weights / 1e9, device, context, each / 1e6),
    )
    check_room(weights + each + _WORKING_BYTES, device, f"The base model {directory.name}")


@contextmanager
def memory_watched(doing: str, device: str) -> Iterator[None]:
    """Say that memory ran out, and while doing what, whatever library noticed it. Raises OutOfMemory."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(doing, "the CPU" if device == "cpu" else device) from error
