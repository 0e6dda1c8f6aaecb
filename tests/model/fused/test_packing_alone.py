"""Layers packed one by one, for models whose layers the fused step does not know; on a GPU if there is one."""

from __future__ import annotations

import torch
from bitsandbytes.nn import Linear4bit
from transformers import AutoModelForCausalLM

from model.adapter.slots import AdapterSlots
from model.base.loading import load_base
from model.config import ModelConfig
from model.fused.backend import kernels_for
from model.fused.packed import PackedLinear, pack_each
from tests.tiny import random_adapter, tiny_config, tiny_tokenizer

IDS = torch.randint(3, 500, (1, 12), generator=torch.Generator().manual_seed(1))


def test_a_layer_of_an_odd_size_stays_as_it_was(tmp_path):
    """208 outputs are no whole number of tiles: the product would leave some of them out."""
    torch.manual_seed(0)
    odd = tiny_config("llama", intermediate_size=208)
    AutoModelForCausalLM.from_config(odd, dtype=torch.float32).save_pretrained(tmp_path / "base")
    tiny_tokenizer().save_pretrained(tmp_path / "base")
    base = load_base(ModelConfig(base=str(tmp_path / "base")), tmp_path)
    slots = AdapterSlots(base.model, 2, 8, base.dtype, base.device)
    slots.write(0, slots.stage(random_adapter(slots.shapes, 8, 1)))
    slots.activate(0)
    kernels = kernels_for(base.device, base.dtype)
    assert kernels is not None
    with torch.inference_mode():
        expected = base.model(input_ids=IDS.to(base.device), use_cache=False).logits.float()
        pack_each(slots.linears.values(), kernels)
        slots.moved()
        found = base.model(input_ids=IDS.to(base.device), use_cache=False).logits.float()
    feed_forward, attention = base.model.model.layers[0].mlp, base.model.model.layers[0].self_attn
    assert isinstance(feed_forward.gate_proj.base, Linear4bit)
    assert isinstance(attention.q_proj.base, PackedLinear)
    assert float((found - expected).norm() / expected.norm()) < 0.03
