"""Adapters for other programs: read back and compared with what was trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gguf import GGUFReader
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.modeling_gguf_pytorch_utils import LlamaTensorProcessor

from model.base.loading import load_base
from model.chat import Message, encode_prompt, template_hash
from model.config import ModelConfig
from tests.tiny import make_tiny_adapter, make_tiny_base
from trainer.errors import ExportRefused
from trainer.interchange.adoption import adopt
from trainer.interchange.export import export_gguf, export_merged

A, B = ("base_model.model.{}.lora_" + half + ".weight" for half in "AB")


@pytest.fixture
def trained(place, tiny_base, tmp_path) -> dict[str, torch.Tensor]:
    """The raw tensors of the published adapter `voice`, of rank 6."""
    made = make_tiny_adapter(tmp_path / "made", tiny_base.load().model, rank=6, alpha=9)
    adopt(place.home, place.settings.model, str(made), by="ada", adapter_id="voice")
    return load_file(made / "adapter_model.safetensors")


def test_gguf_holds_what_was_trained_under_llama_cpp_s_names(place, trained, tmp_path):
    """Metadata, rank and numbers; q and k in the order that llama.cpp's rotation wants."""
    assert export_gguf(place.home, place.settings.model, "voice", tmp_path / "out" / "voice.gguf") == 28
    reader = GGUFReader(tmp_path / "out" / "voice.gguf")
    values = {name: field.contents() for name, field in reader.fields.items()}
    assert values["general.type"] == "adapter"
    assert values["general.architecture"] == "llama"
    assert values["adapter.type"] == "lora"
    assert values["adapter.lora.alpha"] == 9
    tensors = {tensor.name: torch.tensor(tensor.data) for tensor in reader.tensors}
    assert len(tensors) == 28
    down = "model.layers.1.mlp.down_proj"
    assert torch.equal(tensors["blk.1.ffn_down.weight.lora_a"], trained[A.format(down)])
    assert torch.allclose(tensors["blk.1.ffn_down.weight.lora_b"], trained[B.format(down)])
    assert tensors["blk.1.ffn_down.weight.lora_b"].shape == (128, 6)
    back = LlamaTensorProcessor()._reverse_permute_weights  # transformers' way from GGUF to its own order
    for gguf, module, heads in (("attn_q", "q_proj", 4), ("attn_k", "k_proj", 2)):
        theirs, ours = tensors[f"blk.0.{gguf}.weight.lora_b"], trained[B.format(f"model.layers.0.self_attn.{module}")]
        assert not torch.allclose(theirs, ours)
        assert torch.allclose(torch.tensor(back(theirs.numpy(), 4, heads)), ours)


@pytest.mark.parametrize(("family", "architecture"), [("qwen3", "qwen3"), ("gemma3", "gemma3"), ("mistral", "llama")])
def test_other_families_have_their_own_names_and_order(place, tmp_path, family, architecture):
    """Only Llama's graphs want rows to change places."""
    model = ModelConfig(base=str(make_tiny_base(tmp_path / family, family)), device="cpu")
    made = make_tiny_adapter(tmp_path / "made", load_base(model, place.home.models).model)
    adopt(place.home, model, str(made), by="ada", adapter_id=family)
    export_gguf(place.home, model, family, tmp_path / "a.gguf")
    reader = GGUFReader(tmp_path / "a.gguf")
    assert reader.fields["general.architecture"].contents() == architecture
    q = next(torch.tensor(one.data) for one in reader.tensors if one.name == "blk.0.attn_q.weight.lora_b")
    same = torch.allclose(q, load_file(made / "adapter_model.safetensors")[B.format("model.layers.0.self_attn.q_proj")])
    assert same == (architecture != "llama")


def test_merged_is_one_model_that_scores_as_base_and_adapter(place, tiny_base, trained, tmp_path):
    """Loaded by transformers alone, with tokenizer and template, within what bf16 rounds away."""
    target = tmp_path / "merged"
    export_merged(place.home, place.settings.model, "voice", target)
    base = tiny_base.load()
    merged = AutoModelForCausalLM.from_pretrained(target)
    assert merged.dtype == torch.bfloat16
    assert not hasattr(merged.config, "quantization_config")
    assert template_hash(AutoTokenizer.from_pretrained(target)) == base.template_hash
    ids = torch.tensor([encode_prompt(base.tokenizer, [Message("user", "boat 3 white?")])])
    with torch.inference_mode():
        bare = base.model(ids).logits
        ours = merged.float()(ids).logits
        with_adapter = PeftModel.from_pretrained(base.model, str(place.home.adapters / "voice")).eval()(ids).logits
    assert (ours - with_adapter).abs().mean() < 0.05 * (bare - with_adapter).abs().mean()


def test_an_export_that_cannot_be_is_a_sentence(place, trained, tmp_path):
    """A directory in use, another base, and a base that GGUF has no names for; nothing is left behind."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ExportRefused, match="exists already"):
        export_merged(place.home, place.settings.model, "voice", tmp_path / "full")
    other = ModelConfig(base=str(make_tiny_base(tmp_path / "other", seed=5)), device="cpu")
    with pytest.raises(ExportRefused, match="was trained with base_model base, and other is loaded"):
        export_gguf(place.home, other, "voice", tmp_path / "a.gguf")
    (tmp_path / "file").touch()
    with pytest.raises(ExportRefused, match="cannot be written"):
        export_gguf(place.home, place.settings.model, "voice", Path(tmp_path, "file", "a.gguf"))
    assert not list(tmp_path.glob("**/*.gguf*"))
