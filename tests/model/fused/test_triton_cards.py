"""The Triton kernels fit into the shared memory of the cards people have. Needs Triton, not a card."""

from __future__ import annotations

import pytest

pytest.importorskip("triton", reason="no Triton here: it comes with CUDA builds of torch")

MOST_BYTES = {80: 163 * 1024, 86: 99 * 1024, 89: 99 * 1024, 90: 227 * 1024, 120: 99 * 1024}
"""Shared memory of one block (CUDA C++ Programming Guide, "Technical Specifications")."""
POINTERS = {
    "cos": "*fp32",
    "sin": "*fp32",
    "positions": "*i64",
    "owners": "*i64",
    "targets": "*i64",
    "losses": "*fp32",
    "seed": "*i64",
}
POINTERS |= {"top": "*fp32", "total": "*fp32", "mixed": "*fp32", "owners": "*i64"}
NUMBERS = {
    "eps": "fp32",
    "scale": "fp32",
    "count": "i32",
    "N": "i32",
    "factor": "fp32",
    "salt": "i64",
    "threshold": "i64",
}
SHAPE = {"H": 32, "KV": 8, "NORMED": False}


def shared_bytes(kernel, card, constants, *, warps):
    """Bytes of shared memory of a kernel compiled for a card."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    types = {}
    for name in kernel.arg_names:
        types[name] = "constexpr" if name in constants else NUMBERS.get(name) or POINTERS.get(name, "*bf16")
    source = ASTSource(fn=kernel, signature=types, constexprs=constants)
    return triton.compile(source, target=GPUTarget("cuda", card, 32), options={"num_warps": warps}).metadata.shared


@pytest.mark.parametrize(("dim", "turned"), [(64, 64), (128, 128), (128, 96), (256, 256)])
@pytest.mark.parametrize("card", MOST_BYTES)
def test_attention_fits(card, dim, turned):
    """Over a prompt and in a step, as model/fused/gpu/kernels.py launches its kernels."""
    from model.fused.gpu.kernels import PROMPT_BLOCKS, STEP_KEYS
    from model.fused.gpu.triton_prompt_attention import attend_prompt
    from model.fused.gpu.triton_step_attention import attend

    sizes = {**SHAPE, "WINDOW": 0, "D": dim, "TURNED": turned, "T": 2048}
    block, keys = PROMPT_BLOCKS[dim]
    prompt = {**sizes, "BM": block, "BT": keys}
    assert shared_bytes(attend_prompt, card, prompt, warps=8) <= MOST_BYTES[card]
    step = {**sizes, "BG": 16, "BT": STEP_KEYS[dim], "SPLITS": 4}
    assert shared_bytes(attend, card, step, warps=4) <= MOST_BYTES[card]


@pytest.mark.parametrize("card", MOST_BYTES)
def test_training_kernels_fit(card):
    """Norms, rotation, the gate, cross entropy and dropout of a 7B model."""
    from model.fused.gpu import training_triton as kernel

    norm = {"N": 4096, "BN": 4096}
    rows = {"N": 14_336, "BN": 2048}
    heads = {**SHAPE, "D": 128, "BH": 8}
    for one, constants in (
        (kernel.norm, norm),
        (kernel.norm_backward, {**norm, "BESIDE": True}),
        (kernel.rotate, {**heads, "OUT_ROW": 6144}),
        (kernel.rotate_backward, heads),
        (kernel.gate, rows),
        (kernel.gate_backward, rows),
        (kernel.slope, {"BN": 4096}),
        (kernel.drop, {"BN": 2048}),
    ):
        assert shared_bytes(one, card, constants, warps=8) <= MOST_BYTES[card], one
