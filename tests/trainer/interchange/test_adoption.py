"""Adapters from elsewhere: PEFT's own files on a tiny base, adopted and answered with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM

from model.adapter.base_shapes import read_skeleton
from model.adapter.files import read_adapter
from model.adapter.slots import AdapterSlots
from model.chat import Message, encode_prompt
from model.engine import Engine
from model.protocol import AdapterRef, Sampling
from storage.adapter_errors import AdapterExists
from storage.files.adapter_directory import AdapterDirectory
from tests.tiny import make_tiny_adapter, make_tiny_base
from trainer.errors import AdoptionRefused
from trainer.interchange.adoption import adopt


def saved_by_peft(base: Path, target: Path, **changes) -> Path:
    """What a notebook with plain transformers and PEFT leaves behind."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "up_proj"], **changes})
    wrapped = get_peft_model(model, config)
    for name, parameter in wrapped.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    wrapped.save_pretrained(target)
    return target


def adopted(place, source: Path | str, **options):
    return adopt(place.home, place.settings.model, str(source), by="ada", **options)


async def test_what_plain_peft_saved_is_adopted_and_answers(place, tiny_base, tmp_path):
    """Published with its origin, registered, not promoted, and served by the engine like any other."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "notebook lora")
    result = adopted(place, source)
    assert result.id.startswith("notebook-lora-")
    assert (result.rank, result.modules) == (4, 4)
    manifest = AdapterDirectory(place.home.adapters).verify(result.id)
    assert manifest["adopted"]["source"] == str(source)
    assert manifest["adopted"]["claimed_base"] == tiny_base.config.base
    assert sorted(manifest["files"]) == ["adapter_config.json", "adapter_model.safetensors"]
    with place.store() as store:
        assert store.champion() is None
        assert store.adapter(result.id).manifest == manifest
        assert store.audit_search()[0].action == "adapter.adopt"
    engine = await Engine.start(tiny_base.config, tiny_base.cache)
    try:
        ask = [Message("user", "boat 3 white?")], Sampling(max_new_tokens=12, temperature=0)
        before = await engine.submit(*ask).wait()
        await engine.swap(AdapterRef(result.id, AdapterDirectory(place.home.adapters).path(result.id)))
        after = await engine.submit(*ask).wait()
    finally:
        await engine.close()
    assert after.adapter == result.id
    assert after.text != before.text


def test_an_adapter_of_another_base_is_refused_in_a_sentence(place, tmp_path):
    """The same shapes, other weights: its name says so, and nothing is published."""
    other = make_tiny_base(tmp_path / "other", seed=9)
    source = saved_by_peft(other, tmp_path / "lora")
    with pytest.raises(AdoptionRefused, match=f"was trained on {other}, and the configured base is base"):
        adopted(place, source)
    assert AdapterDirectory(place.home.adapters).ids() == []
    assert adopted(place, source, base_matches=True).modules == 4


def test_shapes_are_checked_whatever_is_vouched_for(place, tmp_path):
    """An adapter of a wider base cannot be put on this one."""
    wide = make_tiny_base(tmp_path / "wide", hidden_size=256)
    with pytest.raises(AdoptionRefused, match="do not have the shapes of this base"):
        adopted(place, saved_by_peft(wide, tmp_path / "lora"), base_matches=True)


def test_another_chat_template_beside_the_weights_is_refused(place, tiny_base, tmp_path):
    """It would answer to a prompt it never saw."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "lora")
    (source / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(AdoptionRefused, match="another chat template"):
        adopted(place, source)
    shutil.copy(Path(tiny_base.config.base) / "chat_template.jinja", source)
    assert adopted(place, source)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"use_dora": True}, "it uses use_dora, which is not supported"),
        ({"modules_to_save": ["lm_head"]}, "it uses modules_to_save"),
        ({"target_modules": ["embed_tokens"]}, "which this base does not have"),
    ],
)
def test_what_the_slot_cannot_hold_is_refused(place, tiny_base, tmp_path, changes, words):
    """Better here than in front of a member."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "lora", **changes)
    with pytest.raises(AdoptionRefused, match=words):
        adopted(place, source)


def test_the_same_adapter_twice_is_refused(place, tiny_base, tmp_path):
    """Its id is its name and its hash; another id is another matter."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "lora")
    first = adopted(place, source)
    with pytest.raises(AdapterExists):
        adopted(place, source)
    assert adopted(place, source, adapter_id="second").id == "second" != first.id


def test_a_source_without_files_or_hub_is_a_sentence(place, tmp_path, monkeypatch):
    """A directory without an adapter, a name that is none, and a hub that cannot be reached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdoptionRefused, match=r"has no adapter_config\.json and no adapter_model\.safetensors"):
        adopted(place, tmp_path / "empty")
    with pytest.raises(AdoptionRefused, match="no such directory"):
        adopted(place, "./nowhere")
    with pytest.raises(AdoptionRefused, match="the Hugging Face hub cannot be reached"):
        adopted(place, "somebody/something")


def test_a_repository_in_the_hub_s_cache_is_adopted_with_its_commit(place, tiny_base, tmp_path, monkeypatch):
    """What was downloaded once needs no network."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--somebody--voice"
    saved_by_peft(Path(tiny_base.config.base), repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    config = repository / "snapshots" / commit / "adapter_config.json"
    claimed = json.loads(config.read_text()) | {"base_model_name_or_path": "somebody/Base"}
    config.write_text(json.dumps(claimed))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    result = adopted(place, "somebody/voice")
    manifest = AdapterDirectory(place.home.adapters).manifest(result.id)
    assert (manifest["adopted"]["source"], manifest["adopted"]["commit"]) == ("somebody/voice", commit)


def test_one_of_ours_from_another_home_must_match_in_full(place, tiny_base, tmp_path):
    """Its manifest names base, revision and template, so nobody needs to vouch, and nobody can."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "lora")
    first = AdapterDirectory(place.home.adapters).path(adopted(place, source).id)
    assert adopted(place, first, adapter_id="again")
    theirs = shutil.copytree(first, tmp_path / "theirs")
    manifest = json.loads((theirs / "manifest.json").read_text()) | {"base_revision": "other"}
    (theirs / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AdoptionRefused, match="base_revision other"):
        adopted(place, theirs, adapter_id="third", base_matches=True)


def test_a_published_adapter_is_plain_peft_with_the_slot_s_scores(place, tiny_base, tmp_path):
    """`PeftModel.from_pretrained` and the engine's slot give the same logits on the same 4-bit base."""
    base = tiny_base.load()
    made = make_tiny_adapter(tmp_path / "made", base.model)
    published = AdapterDirectory(place.home.adapters).path(adopted(place, made, adapter_id="plain").id)
    ids = torch.tensor([encode_prompt(base.tokenizer, [Message("user", "boat 3 white?")])])
    with torch.inference_mode():
        bare = base.model(ids).logits
        theirs = PeftModel.from_pretrained(tiny_base.load().model, str(published)).eval()(ids).logits
        skeleton = read_skeleton(tiny_base.config, tiny_base.cache)
        slots = AdapterSlots(base.model, 1, 16, base.dtype, base.device)
        assert slots.shapes == skeleton.shapes
        slots.write(0, slots.stage(read_adapter(published, skeleton.identity, skeleton.shapes)))
        slots.activate(0)
        ours = base.model(ids).logits
    assert (ours - theirs).abs().max() < 2e-3  # two orders of adding up, in bf16 kernels on some CPUs
    assert (ours - bare).abs().max() > 0.1


@pytest.mark.parametrize("claimed", ["~nobody-here/x", "x" * 5000, "a\0b", "\ud800", "..", 7])
def test_a_base_name_that_names_nothing_is_refused_in_a_sentence(place, tiny_base, tmp_path, claimed):
    """Too long for a file system, the home of nobody, no text."""
    source = make_tiny_adapter(tmp_path / "a", AutoModelForCausalLM.from_pretrained(tiny_base.config.base))
    config = json.loads((source / "adapter_config.json").read_text())
    (source / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": claimed}))
    with pytest.raises(AdoptionRefused, match=r"trained on|does not say"):
        adopted(place, source)
    with pytest.raises(AdoptionRefused):
        adopted(place, str(claimed))


def test_a_chat_template_that_is_no_text_is_another_template(place, tiny_base, tmp_path):
    """JSON may hold half a character; no encoding can."""
    source = saved_by_peft(Path(tiny_base.config.base), tmp_path / "a")
    (source / "tokenizer_config.json").write_text(json.dumps({"chat_template": "\ud800"}))
    with pytest.raises(AdoptionRefused, match="another chat template"):
        adopted(place, source)
