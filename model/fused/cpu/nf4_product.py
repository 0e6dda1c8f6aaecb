"""The 4-bit product on a CPU: bitsandbytes' own with AVX512-BF16, that of nf4_product.h with AVX2 or AVX-512 alone."""

from __future__ import annotations

import ctypes

import torch
from bitsandbytes.cextension import lib

from model.fused.cpu import compiled

__all__ = ["BLOCK", "handed_in", "multiplied", "usable"]

BLOCK = 64  # inputs that share one scale
_KERNEL = "gemv_4bit_inference_cpu_nf4_bf16"


def usable() -> bool:
    """Whether there is a packed 4-bit product here: bitsandbytes', or the one in C, which takes a compiler."""
    if compiled.level() == "bf16":
        return hasattr(lib, _KERNEL)
    return bool(compiled.level()) and compiled.library() is not None


def handed_in() -> ctypes._CFunctionType | None:
    """The product that the C code calls; None where it has its own."""
    return getattr(lib, _KERNEL) if compiled.level() == "bf16" else None


def multiplied(x: torch.Tensor, words: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Compute x W^T, [M, N] in fp32. x: [M, K]; words [N, K / 2] and scales [N, K / 64] as packed for a CPU."""
    absmax = scales.T.contiguous()
    return _by_bitsandbytes(x, words, absmax) if compiled.level() == "bf16" else _in_c(x, words, absmax)


def _by_bitsandbytes(x: torch.Tensor, words: torch.Tensor, absmax: torch.Tensor) -> torch.Tensor:
    """In bf16, called as its operator calls it, without its checks and copies."""
    x, (m, k), n = x.bfloat16().contiguous(), x.shape, words.shape[0]
    out = torch.empty(m, n, dtype=torch.bfloat16)
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (x, words, absmax, out)]
    sizes = [ctypes.c_int64(size) for size in (m, n, k)]
    getattr(lib, _KERNEL)(*sizes, *pointers, *(ctypes.c_int64(size) for size in (BLOCK, k, n)))
    return out.float()


def _in_c(x: torch.Tensor, words: torch.Tensor, absmax: torch.Tensor) -> torch.Tensor:
    """In whole numbers, on one thread: for what is not computed in one call of C."""
    x, (m, k), n = x.contiguous(), x.shape, words.shape[0]
    out, whole, worth = torch.empty(m, n), torch.empty(m, k, dtype=torch.int16), torch.empty(m, k // BLOCK)
    pointers = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (x, whole, worth, words, absmax, out)]
    compiled.library().multiply_alone(*(ctypes.c_int64(size) for size in (m, n, k)), *pointers)
    return out
