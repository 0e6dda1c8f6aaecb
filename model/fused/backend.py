"""Which kernels a device has: those of the GPU, those of the CPU, or none."""

from __future__ import annotations

import importlib.util

import torch

from model.fused.kernels import Kernels

__all__ = ["kernels_for"]


def kernels_for(device: torch.device, dtype: torch.dtype) -> Kernels | None:
    """A device's kernels; None where transformers' modules have to do.

    On a GPU: bf16, and Triton installed (Linux wheels of torch bring it). On a CPU: fp32 and AVX512-BF16,
    or AVX2 and a C compiler.
    """
    if device.type == "cuda" and dtype == torch.bfloat16 and importlib.util.find_spec("triton") is not None:
        from model.fused.gpu import kernels as gpu_kernels

        return gpu_kernels if gpu_kernels.usable() else None
    if device.type == "cpu" and dtype == torch.float32:
        from model.fused.cpu import kernels as cpu_kernels

        return cpu_kernels if cpu_kernels.usable() else None
    return None
