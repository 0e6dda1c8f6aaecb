"""Which errors mean that memory ran out or that the device is lost. Plain decisions; knows no model."""

from __future__ import annotations

import torch

__all__ = ["breaks_device", "is_out_of_memory"]

_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "alloc_failed",
    "paging file is too small",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether memory ran out, on a device or on the host: torch and numpy say so in several ways."""
    while error is not None:
        text = str(error).lower()
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError | OSError) and any(words in text for words in _OUT_OF_MEMORY):
            return True
        error = error.__cause__
    return False


def breaks_device(error: BaseException) -> bool:
    """Whether it is an error of CUDA, after which the process cannot use the device any more."""
    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)
