"""The device and the compute type that the settings mean here."""

from __future__ import annotations

import torch

__all__ = ["pick_device", "pick_dtype", "use_device"]


def pick_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` means here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    return (
        torch.device("cuda", torch.cuda.current_device()) if device.type == "cuda" and device.index is None else device
    )


def use_device(device: torch.device) -> None:
    """Let this thread launch its kernels on `device`: Triton and CUDA know no other one than the current."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """bf16 on a GPU that computes in it, fp16 on an older one, fp32 elsewhere, unless the setting says otherwise."""
    if name != "auto":
        dtype: torch.dtype = getattr(torch, name)
        return dtype
    if device.type != "cuda":
        return torch.float32
    # Emulated bf16, as before sm_80, is slow, and the kernels cannot be compiled for it.
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
