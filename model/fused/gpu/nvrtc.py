"""CUDA C++ compiled at run time by NVRTC, which every CUDA build of torch brings: no compiler needs to be installed.

`torch.cuda._compile_kernel` does the same but asks for an installed CUDA toolkit, which a pip install does not have.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.cuda import _utils

__all__ = ["CompilationFailed", "Compiled", "compile_for", "compile_kernels"]


class Compiled(NamedTuple):
    """Machine code, the symbol of each kernel, and what the compiler said."""

    binary: bytes
    symbols: list[str]
    log: str


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
        nvrtc = _utils._get_gpu_rtc_library()  # noqa: SLF001 - the library torch itself has loaded
        compiled = compile_for(nvrtc, source, names, [f"--gpu-architecture=sm_{major}{minor}"])
        kernels: Any = _utils._cuda_load_module(compiled.binary, compiled.symbols)  # noqa: SLF001 - as above
    except (OSError, RuntimeError, AttributeError) as error:
        raise CompilationFailed(str(error)) from error
    return {name: kernels[symbol] for name, symbol in zip(names, compiled.symbols, strict=True)}


def compile_for(nvrtc: Any, source: str, names: Sequence[str], options: Sequence[str]) -> Compiled:
    """Compile without a GPU (NVRTC 12, "Accessing Lowered Names").

    Args:
        nvrtc: the library.
        source: CUDA C++ without includes.
        names: of kernels, as expressions.
        options: of the compiler, the architecture among them.

    Raises:
        CompilationFailed: the compiler refused.
    """
    program = ctypes.c_void_p()

    def said() -> str:
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, text)
        return text.value.decode(errors="replace")

    def check(result: int) -> None:
        if result != 0:
            raise CompilationFailed(f"NVRTC error {result}: {said()}")

    check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None))
    try:
        for name in names:
            check(nvrtc.nvrtcAddNameExpression(program, name.encode()))
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        check(nvrtc.nvrtcCompileProgram(program, len(given), given))
        size = ctypes.c_size_t()
        check(nvrtc.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        binary = ctypes.create_string_buffer(size.value)
        check(nvrtc.nvrtcGetCUBIN(program, binary))
        symbols = []
        for name in names:
            symbol = ctypes.c_char_p()
            check(nvrtc.nvrtcGetLoweredName(program, name.encode(), ctypes.byref(symbol)))
            symbols.append((symbol.value or b"").decode())
        return Compiled(binary.raw, symbols, said())
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
