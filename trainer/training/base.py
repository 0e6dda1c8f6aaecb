"""Prepares the 4-bit base model for training: working gradients, one compute type, the fastest attention.

Works on the model it is given, before any adapter is put on it. Knows no data and no recipe.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Literal

import torch

DtypeName = Literal["auto", "bfloat16", "float16", "float32"]

__all__ = ["DtypeName", "choose_attention", "forbid_repacking", "free_bytes", "training_dtype"]

SHORT = 256
"""Tokens up to which plain attention is the faster one on a CPU; its score matrices grow with the square."""


def training_dtype(device: torch.device, asked: DtypeName) -> DtypeName:
    """The name of the compute type: what the engine takes on a GPU; on a CPU bf16 if it multiplies in it, else fp32.

    Args:
        device: where the base is loaded.
        asked: the setting; anything but "auto" is kept.
    """
    if asked != "auto" or device.type != "cpu":
        return asked
    # A step takes a third less time than in fp32 (docs/lab/learning.md).
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"  # noqa: SLF001 - no public name


def forbid_repacking(model: Any) -> None:
    """Keep 4-bit weights in the layout that has a gradient. Must run before the first forward pass.

    On CPUs with AVX512-BF16, bitsandbytes 0.50 repacks a layer for good at its first forward pass in eval mode; from
    then on training goes through `gemv_4bit`, which sends no gradient back, so the adapters before it learn next to
    nothing. Evaluating during training does exactly that. Can go when upstream unpacks again in training mode.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def choose_attention(model: Any, device: torch.device, longest: int) -> None:
    """Use plain attention for short examples on a CPU, where the fused one is slow on its way back (a fifth of a step).

    Args:
        model: the base.
        device: where it is.
        longest: tokens of the longest example.
    """
    if device.type == "cpu" and longest <= SHORT:
        model.set_attn_implementation("eager")


def free_bytes(device: torch.device) -> float:
    """What training may take of the memory that is free on a device; the rest is for what no estimate counts."""
    if device.type == "cuda":
        # What the allocator keeps for itself is free for us too.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return 0.9 * (torch.cuda.mem_get_info(device)[0] + kept)
    # Others live on this memory too, and a process that takes too much of it is killed without a word.
    return 0.5 * _available_bytes()


def _available_bytes() -> float:
    """Memory that can be had without taking any from another process: what is free, and what is only cached."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
    return 0.5 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # not Linux: half of what there is
