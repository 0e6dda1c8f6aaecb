"""A step with more rows than a product of the kernels takes: each row still has its own adapter."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from model.adapter.bank import BARE
from model.adapter.slots import AdapterSlots
from model.fused.cpu import kernels
from model.fused.packed import fuse
from tests.tiny import random_adapter

pytestmark = pytest.mark.skipif(not kernels.usable(), reason="needs AVX2 and a C compiler")
OWN = [0, 1, BARE, 2, 2, 0, 1]  # slots of seven rows


@pytest.mark.parametrize("residual", [True, False])
def test_rows_beyond_a_product_have_their_own_adapter(tiny, residual):
    """With products of at most two rows, as each row alone has it."""
    base = tiny.load()
    slots = AdapterSlots(base.model, 3, 8, base.dtype, base.device)
    few = SimpleNamespace(**{name: getattr(kernels, name) for name in kernels.__all__} | {"SMALL_BATCH": 2})
    attention = base.model.model.layers[0].self_attn
    fused = fuse([attention.q_proj, attention.k_proj, attention.v_proj], few)
    for slot, rank in enumerate((8, 4, 2)):
        slots.write(slot, slots.stage(random_adapter(slots.shapes, rank, slot)))
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(len(OWN), attention.q_proj.in_features, generator=draw)
    beside = torch.randn(len(OWN), sum(fused.segments), generator=draw) if residual else None
    step = slots.rows(OWN, torch.full((16,), BARE, dtype=torch.int32))
    found = fused(x, step, beside)
    for row, slot in enumerate(OWN):
        alone = fused(x[row : row + 1], slots.rows([slot]), None if beside is None else beside[row : row + 1])
        assert torch.allclose(found[row], alone[0], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, fused(x, slots.rows([*OWN[:2], *OWN[:5]]), beside), atol=1e-2), "slots matter"
