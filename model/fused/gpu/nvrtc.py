"""CUDA C++ compiled at run time by NVRTC, which every CUDA build of torch brings: no compiler needs to be installed.

`torch.cuda._compile_kernel` does the same but asks for an installed CUDA toolkit, which a pip install does not have.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch.cuda import _utils

__all__ = ["CompilationFailed", "compile_kernels"]


class CompilationFailed(Exception):
    """NVRTC's own words are its text."""


def compile_kernels(source: str, names: Sequence[str]) -> dict[str, Any]:
    """Compile `source` for the current GPU.

    Args:
        source: CUDA C++ without includes.
        names: of kernels, as expressions: `dequantise`, `product<1, 2>`.

    Returns:
        For each name what launches it: `kernel(grid=(x, y, z), block=(x, y, z), args=[tensors and ints])`, on the
        current stream.

    Raises:
        CompilationFailed: the compiler or the driver refused.
    """
    major, minor = torch.cuda.get_device_capability()
    try:
        binary, symbols = _compile(source, names, f"--gpu-architecture=sm_{major}{minor}")
        kernels: Any = _utils._cuda_load_module(binary, symbols)  # noqa: SLF001 - has no public name yet
    except (OSError, RuntimeError, AttributeError) as error:
        raise CompilationFailed(str(error)) from error
    return {name: kernels[symbol] for name, symbol in zip(names, symbols, strict=True)}


def _compile(source: str, names: Sequence[str], architecture: str) -> tuple[bytes, list[str]]:
    """Machine code and the symbol of each kernel (NVRTC 12, "Accessing Lowered Names")."""
    nvrtc = _utils._get_gpu_rtc_library()  # noqa: SLF001 - the library torch itself has loaded
    program = ctypes.c_void_p()

    def check(result: int) -> None:
        if result != 0:
            size = ctypes.c_size_t()
            nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
            said = ctypes.create_string_buffer(size.value)
            nvrtc.nvrtcGetProgramLog(program, said)
            raise CompilationFailed(f"NVRTC error {result}: {said.value.decode(errors='replace')}")

    check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        for name in names:
            check(nvrtc.nvrtcAddNameExpression(program, name.encode()))
        options = (ctypes.c_char_p * 1)(architecture.encode())
        check(nvrtc.nvrtcCompileProgram(program, len(options), options))
        size = ctypes.c_size_t()
        check(nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        binary = ctypes.create_string_buffer(size.value)
        check(nvrtc.nvrtcGetCUBIN(program, binary))
        symbols = []
        for name in names:
            symbol = ctypes.c_char_p()
            check(nvrtc.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(symbol)))
            symbols.append((symbol.value or b"").decode())
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return binary.raw, symbols
