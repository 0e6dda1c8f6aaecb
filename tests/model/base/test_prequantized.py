"""Bases that come packed: GPTQ kept as it is where gptqmodel is installed, a sentence where it is not."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.adapter.base_shapes import read_skeleton
from model.adapter.target_modules import adaptable
from model.base import prequantized as prequantised
from model.base.loading import load_base
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from model.engine import Engine
from model.errors import BaseNotFound
from model.protocol import AdapterRef, Sampling
from tests.tiny import make_tiny_adapter, make_tiny_base

GROUP = 32
needs_gptq = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("gptqmodel", "optimum")),
    reason="gptqmodel and optimum are not installed (they want another numpy; docs/models.md)",
)


def claim(path: Path, method: str, **more: object) -> Path:
    """Make a base say that its weights are packed."""
    config = json.loads((path / "config.json").read_text())
    config["quantization_config"] = {"quant_method": method, "bits": 4, **more}
    (path / "config.json").write_text(json.dumps(config))
    return path


def packed_as_gptq(plain: Path, path: Path) -> Path:
    """Round every linear layer of a tiny base to 4 bits: `path` holds them as GPTQ does, `plain` the same values."""
    make_tiny_base(path)
    weights = load_file(path / "model.safetensors")
    rounded, packed = dict(weights), {}
    for name, weight in weights.items():
        if not name.endswith("_proj.weight"):
            packed[name] = weight
            continue
        groups = weight.T.reshape(-1, GROUP, weight.shape[0])  # [groups, inputs in each, out]
        scales = (groups.abs().amax(1) / 7).half()
        steps = ((groups / scales[:, None]).round() + 8).clamp(0, 15).to(torch.int64)
        rounded[name] = ((steps - 8) * scales[:, None]).reshape(weight.T.shape).T.contiguous()
        layer, shifts = name.removesuffix(".weight"), torch.arange(0, 32, 4)
        eights = steps.reshape(-1, 8, weight.shape[0])
        packed[f"{layer}.qweight"] = (eights << shifts[None, :, None]).sum(1).to(torch.int32)
        packed[f"{layer}.qzeros"] = torch.full((len(scales), weight.shape[0] // 8), 0x77777777, dtype=torch.int32)
        packed[f"{layer}.scales"] = scales
        packed[f"{layer}.g_idx"] = (torch.arange(weight.shape[1]) // GROUP).to(torch.int32)
    save_file(packed, path / "model.safetensors", metadata={"format": "pt"})
    claim(path, "gptq", group_size=GROUP, sym=True, desc_act=False, checkpoint_format="gptq", lm_head=False)
    make_tiny_base(plain)
    save_file(rounded, plain / "model.safetensors", metadata={"format": "pt"})
    return path


def test_gptq_without_its_package_is_a_sentence(tmp_path, monkeypatch):
    """It names what is missing and where it says how to install that."""
    monkeypatch.setattr(prequantised, "_NEEDED", ("no_such_package",))
    base = claim(make_tiny_base(tmp_path / "base"), "gptq")
    with pytest.raises(BaseNotFound, match=r"packed with GPTQ, which needs no_such_package \(docs/models.md"):
        load_base(ModelConfig(base=str(base), device="cpu"), tmp_path / "models")


def test_another_packing_is_refused_in_a_sentence(tmp_path):
    """Before anything is loaded or converted."""
    base = claim(make_tiny_base(tmp_path / "base"), "awq")
    with pytest.raises(BaseNotFound, match="packed with awq, and only plain, GPTQ or NF4 ones are read"):
        load_base(ModelConfig(base=str(base), device="cpu"), tmp_path / "models")
    assert not (tmp_path / "models").exists()


@needs_gptq
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
async def test_a_gptq_base_answers_with_an_adapter_and_computes_what_its_weights_say(tmp_path, dtype):
    """Nothing is converted; the scores are those of the unpacked weights; slot and skeleton know its layers."""
    from transformers import AutoModelForCausalLM

    config = ModelConfig(
        base=str(packed_as_gptq(tmp_path / "plain", tmp_path / "packed")), device="cpu", dtype=dtype, context_tokens=128
    )
    base = load_base(config, tmp_path / "models")
    assert not (tmp_path / "models").exists()
    ids = torch.tensor([encode_prompt(base.tokenizer, [Message("user", "boat 3 white?")])])
    plain = AutoModelForCausalLM.from_pretrained(tmp_path / "plain", dtype=torch.float32)
    with torch.inference_mode():
        difference = (base.model(ids).logits.float() - plain(ids).logits).abs().max()
    assert difference < (0.01 if dtype == "float32" else 0.1)
    shapes = {name: (one.in_features, one.out_features) for name, one in adaptable(base.model).items()}
    assert shapes == read_skeleton(config, tmp_path / "models").shapes
    adapter = AdapterRef("a", make_tiny_adapter(tmp_path / "a", plain))
    engine = await Engine.start(config, tmp_path / "models")
    try:
        ask = [Message("user", "boat 3 white?")], Sampling(max_new_tokens=12, temperature=0)
        before = await engine.submit(*ask).wait()
        await engine.swap(adapter)
        assert (await engine.submit(*ask).wait()).text != before.text
    finally:
        await engine.close()


@needs_gptq
def test_an_adapter_learns_on_a_gptq_base(tmp_path):
    """Gradients go through the packed layers, and an evaluation in between does not stop them."""
    from trainer.settings import TrainingConfig
    from trainer.training.likelihood import negative_log_likelihoods
    from trainer.training.qlora import attach_adapter
    from trainer.training.recipe import resolve
    from trainer.training.tokens import Example

    packed = packed_as_gptq(tmp_path / "plain", tmp_path / "packed")
    base = load_base(ModelConfig(base=str(packed), device="cpu", dtype="float32"), tmp_path / "models")
    model = attach_adapter(base.model, resolve(TrainingConfig(), pairs=50, parameters=1))
    ids = torch.arange(3, 23)[None]
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    assert len(trained) == 28
    optimizer = torch.optim.SGD(trained, lr=0.1)
    losses = []
    for _ in range(4):
        losses += negative_log_likelihoods(model, [Example(1, tuple(ids[0].tolist()), 5)], pad_id=0)
        model.train()
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    assert losses[-1] < losses[1] < losses[0] - 0.01
