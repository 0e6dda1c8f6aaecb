"""Adapters that are more than A and B are refused by name; plain ones in every dress are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora.config import KasaConfig
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from model.adapter.base_shapes import read_skeleton
from model.adapter.files import read_adapter
from model.adapter.variants import more_than_plain
from tests.trainer.interchange.test_adoption import adopted, saved_by_peft
from trainer.errors import AdoptionRefused
from trainer.interchange.plain_lora import not_plain

REFUSED = {
    "PiSSA": {"init_lora_weights": "pissa"},
    "OLoRA": {"init_lora_weights": "olora"},
    "aLoRA": {"alora_invocation_tokens": [5, 6], "task_type": "CAUSAL_LM"},
    "KaSA": {"kasa_config": KasaConfig()},
}
TAKEN = [
    {},
    {"use_rslora": True},
    {"init_lora_weights": "orthogonal"},
    {"init_lora_weights": "gaussian"},
    {"init_lora_weights": "eva"},
    {"init_lora_weights": False},
    {"lora_dropout": 0.1},
    {"target_modules": "all-linear", "task_type": "CAUSAL_LM"},
    {"target_modules": r".*\.layers\.1\..*_proj"},
    {"layers_to_transform": [0]},
    {"exclude_modules": ["up_proj"]},
]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_more_than_plain_is_refused_by_name_with_the_way_out(place, tiny_base, tmp_path, name):
    """PiSSA and OLoRA can be converted; the others have to be trained or merged otherwise."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "lora", **REFUSED[name])
    with pytest.raises(AdoptionRefused, match=f"{name}.*(convert it to plain LoRA|train it as plain LoRA)"):
        adopted(place, source)


@pytest.mark.parametrize("changes", TAKEN, ids=str)
def test_plain_ones_are_taken_however_they_began(place, tiny_base, tmp_path, changes):
    """And PEFT's logits on the same base are those of the matrices alone."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "lora", **changes)
    assert adopted(place, source).rank == 4


@pytest.mark.parametrize("name", ["PiSSA", "OLoRA", "aLoRA"])  # KaSA brings tensors of its own
def test_peft_itself_is_asked_and_no_list_alone(place, tiny_base, tmp_path, monkeypatch, name):
    """A variant whose name nobody knows yet computes otherwise, and its settings are named."""
    monkeypatch.setattr("model.adapter.files.more_than_plain", lambda _config: None)
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "lora", **REFUSED[name])
    with pytest.raises(AdoptionRefused, match=r"PEFT .*its settings say .*(init_lora_weights|alora)"):
        adopted(place, source)


def test_the_comparison_sees_a_factor_that_is_wrong(place, tiny_base, tmp_path):
    """Alpha doubled behind the engine's back."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "lora")
    skeleton = read_skeleton(place.settings.model, place.home.models)
    weights = read_adapter(source, skeleton.identity, skeleton.shapes)
    config = json.loads((source / "adapter_config.json").read_text())
    assert not_plain(source, config, weights) is None
    (source / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": 2 * config["lora_alpha"]}))
    assert "something else" in not_plain(source, config, weights)


def test_pissa_that_peft_converted_is_taken(place, tiny_base, tmp_path):
    """The way out that the refusal names."""
    torch.manual_seed(0)
    base = Path(tiny_base.config.base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"], init_lora_weights="pissa")
    wrapped = get_peft_model(model, config)
    wrapped.peft_config["default"].init_lora_weights = True
    wrapped.save_pretrained(tmp_path / "begun")
    wrapped.peft_config["default"].init_lora_weights = "pissa"
    for parameter in (weight for name, weight in wrapped.named_parameters() if "lora_B" in name):
        parameter.data += 0.3 * torch.randn_like(parameter)
    ids = torch.arange(3, 20)[None]
    expected = wrapped(ids).logits
    wrapped.save_pretrained(tmp_path / "plain", path_initial_model_for_weight_conversion=str(tmp_path / "begun"))
    assert adopted(place, tmp_path / "plain").rank == 8
    again = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), str(tmp_path / "plain")
    )
    assert torch.allclose(again(ids).logits, expected, atol=1e-3)
    assert load_file(tmp_path / "plain" / "adapter_model.safetensors")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"init_lora_weights": "pissa_niter_16"}, "PiSSA"),
        ({"init_lora_weights": "PiSSA"}, "PiSSA"),
        ({"init_lora_weights": "mipissa"}, "MiPiSSA"),
        ({"init_lora_weights": "corda"}, "CorDA"),
        ({"init_lora_weights": "loftq"}, "LoftQ"),
        ({"use_qalora": True}, "QALoRA"),
        ({"trainable_token_indices": [3]}, "trained token embeddings"),
        ({"target_parameters": ["mlp.experts.gate_up_proj"]}, "LoRA on parameters"),
    ],
)
def test_each_has_a_name(config, name):
    """Whatever version of PEFT wrote it."""
    assert name in more_than_plain(config)
    assert more_than_plain({"init_lora_weights": True}) is None
