"""The CUDA kernels compile for the cards people have, and fit into them. Needs the compiler, not a card."""

from __future__ import annotations

import ctypes
import importlib.util
import re
from importlib.resources import files
from pathlib import Path

import pytest

from model.fused.gpu.nvrtc import CompilationFailed, compile_for

CARDS = {"sm_80": "A100", "sm_86": "RTX 30", "sm_89": "RTX 40", "sm_90": "H100", "sm_120": "RTX 50"}
SHARED_BYTES = {"sm_80": 164, "sm_86": 100, "sm_89": 100, "sm_90": 228, "sm_120": 100}
"""Kilobytes of shared memory of a multiprocessor (CUDA C++ Programming Guide, "Technical Specifications")."""
KERNELS = {
    "nf4.cu": ["dequantise", "product<1, 1>", "product<2, 2>", "product<4, 2>"],
    "training_nf4.cu": ["unpack"],
}
THREADS = 256


@pytest.fixture(scope="module")
def nvrtc():
    """The compiler of the CUDA builds of torch; `pip install nvidia-cuda-nvrtc` brings it alone."""
    found = importlib.util.find_spec("nvidia")
    places = [Path(place) for place in found.submodule_search_locations or []] if found else []
    libraries = [path for place in places for path in place.glob("*/lib/libnvrtc.so.*")]
    if not libraries:
        pytest.skip("no NVRTC here: pip install nvidia-cuda-nvrtc")
    return ctypes.CDLL(str(libraries[0]))


def compiled(nvrtc, source, architecture):
    text = files("model.fused.gpu").joinpath(source).read_text("utf-8")
    return compile_for(nvrtc, text, KERNELS[source], [f"--gpu-architecture={architecture}", "--ptxas-options=-v"])


@pytest.mark.parametrize("source", KERNELS)
@pytest.mark.parametrize("architecture", CARDS)
def test_kernels_compile_and_fit(nvrtc, architecture, source):
    """Static shared memory of at most 48 KB, registers for a block, and two blocks at least on a multiprocessor."""
    log = compiled(nvrtc, source, architecture).log
    used = re.findall(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?", log)
    assert len(used) == len(KERNELS[source])
    for registers, shared in used:
        assert int(registers) * THREADS <= 65_536
        assert int(shared or 0) <= 48 * 1024
        assert 2 * int(shared or 0) <= SHARED_BYTES[architecture] * 1024


def test_before_sm_80_they_do_not_compile(nvrtc):
    """Which is why a T4 computes in fp16, with torch's operations."""
    with pytest.raises(CompilationFailed, match="sm_80"):
        compiled(nvrtc, "nf4.cu", "sm_75")
