"""The C code on processors with AVX2 or AVX-512 alone, forced on whatever runs the tests: nf4_product.h, vectors.h."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from bitsandbytes import functional as bnb

from model.fused.backend import kernels_for
from model.fused.cpu import compiled, kernels
from model.fused.cpu.nf4_product import multiplied
from tests.model.conftest import Tiny
from tests.model.serving.test_exactness import answers, reference
from tests.tiny import FUSED

_RUNS_HERE = {"AVX512": ["avx2", "avx512"], "AVX2": ["avx2"]}.get(torch.backends.cpu.get_cpu_capability(), [])


@pytest.fixture(params=["avx2", "avx512"])
def forced(request, monkeypatch) -> Iterator[str]:
    """Everything is compiled for this level, and for no more."""
    if request.param not in _RUNS_HERE:
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setattr(compiled, "level", lambda: request.param)
    compiled.library.cache_clear()
    if compiled.library() is None:
        pytest.skip("no C compiler")
    yield request.param
    monkeypatch.undo()
    compiled.library.cache_clear()


def packed(outputs: int, inputs: int, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A random weight as bitsandbytes packs it in 4 bits, and packed for the product: words, scales and its values."""
    weight = scale * torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(outputs + inputs))
    codes, state = bnb.quantize_4bit(weight, blocksize=64, quant_type="nf4", compress_statistics=True)
    values = bnb.dequantize_4bit(codes, state).float()
    return *kernels.pack(codes, state), values


@pytest.mark.usefixtures("forced")
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 8, 33])
def test_the_product_is_that_of_the_unpacked_weights(rows):
    """Within 3e-4 of its norm: inputs are rounded to 1/8191 of their block's largest, weights to 1/4095 of a scale."""
    words, scales, values = packed(96, 192)
    x = torch.randn(rows, 192, generator=torch.Generator().manual_seed(rows))
    blocks = scales.float().repeat_interleave(64, dim=1)
    own = bnb.get_4bit_type("nf4", device="cpu")
    exact = own[(values / blocks)[..., None].sub(own).abs().argmin(-1)] * blocks
    found = multiplied(x, words, scales)
    assert float((found - x @ exact.T).norm() / (x @ exact.T).norm()) < 3e-4


@pytest.mark.usefixtures("forced")
def test_the_unpacked_weights_are_bitsandbytes_own():
    """But for the scales, which are rounded to bf16: 2^-8 of each at most."""
    words, scales, values = packed(64, 128, scale=0.02)
    found = kernels.dequantise(words, scales, 128)
    largest = values.abs().amax(dim=1, keepdim=True)
    assert float(((found - values).abs() / largest).max()) < 2**-8


@pytest.mark.usefixtures("forced")
def test_each_row_is_computed_alone():
    """The same bits whatever stands beside it, and nothing from a row of zeros."""
    words, scales, _ = packed(64, 128)
    x = torch.randn(7, 128, generator=torch.Generator().manual_seed(1))
    x[3] = 0
    together = multiplied(x, words, scales)
    alone = torch.cat([multiplied(row[None], words, scales) for row in x])
    assert torch.equal(alone, together)
    assert not together[3].any()


@pytest.mark.parametrize("family", FUSED)
async def test_the_answers_are_those_of_generate(tiny_of: Callable[[str], Tiny], start, forced, family):
    """Windows, biases, head norms and an adapter included; alone and together."""
    tiny = tiny_of(family)
    expected = reference(tiny, tiny.a)
    engine = await start(tiny, tiny.a)
    assert "fused" in engine._worker.decoder.path, forced
    assert await answers(engine, at_once=False) == expected
    assert await answers(engine, at_once=True) == expected


def test_without_a_compiler_the_modules_compute(forced, monkeypatch):
    """There is no other product for these processors."""
    monkeypatch.setattr(compiled, "_COMMAND", "no-such-compiler")
    compiled.library.cache_clear()
    assert kernels_for(torch.device("cpu"), torch.float32) is None, forced


def test_a_processor_without_vectors_is_left_alone(monkeypatch):
    """Neither level is taken for granted."""
    monkeypatch.setattr(compiled.bnb, "has_avx512bf16", lambda: False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert not compiled.level()
    assert not kernels.usable()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert compiled.level() == "avx2"
