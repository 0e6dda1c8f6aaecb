"""Finding, converting and caching a base model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import bitsandbytes
import pytest
import torch

from model.base.files import resolve_base
from model.base.loading import load_base
from model.base.memory import row_bytes
from model.config import ModelConfig
from model.errors import BaseNotFound
from tests.tiny import make_tiny_base


def test_the_decoder_is_in_nf4_with_double_quantisation(tiny):
    """Without double quantisation a trip through state_dict corrupts the weights on some CPUs."""
    layers = [m for m in tiny.load().model.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(layers) == 14
    assert {m.weight.quant_state.quant_type for m in layers} == {"nf4"}
    assert all(m.weight.quant_state.nested for m in layers)


def test_the_second_start_reads_the_cache_alone(tiny, monkeypatch):
    """Conversion happens once."""
    tiny.load()
    monkeypatch.setattr("model.base.conversion._convert", lambda *_: pytest.fail("converted again"))
    assert tiny.load().id == "base"


def test_converting_again_gives_the_same_weights(tiny, tmp_path):
    """The cache can be deleted without changing what the bot says."""
    first, second = tiny.load(), load_base(tiny.config, tmp_path)
    for (name, one), (_, two) in zip(first.model.named_parameters(), second.model.named_parameters(), strict=True):
        assert torch.equal(one, two), name


def test_changed_weights_are_another_revision(tmp_path):
    """An adapter for yesterday's weights must not fit today's."""
    one = resolve_base(str(make_tiny_base(tmp_path / "base", seed=0)))
    shutil.rmtree(tmp_path / "base")
    two = resolve_base(str(make_tiny_base(tmp_path / "base", seed=1)))
    assert one.revision != two.revision


def test_a_killed_conversion_leaves_no_half_model(tiny, tmp_path, monkeypatch):
    """The converted directory appears whole or not at all."""

    def broken(*_args):
        msg = "the disk failed"
        raise RuntimeError(msg)

    with monkeypatch.context() as patch:
        patch.setattr("model.base.conversion._quantise", broken)
        with pytest.raises(BaseNotFound, match="the disk failed"):
            load_base(tiny.config, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert load_base(tiny.config, tmp_path).id == "base"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("./nowhere", "no such directory"),
        ("not a model", "no such directory"),
        ("/", "no config.json"),
    ],
)
def test_an_unknown_base_is_one_sentence(tmp_path, name, says):
    """What it is, why not, and what to set instead."""
    with pytest.raises(BaseNotFound, match=says) as caught:
        load_base(replace(ModelConfig(), base=name), tmp_path)
    assert "Set [model] base" in str(caught.value)


def test_a_model_without_chat_template_is_refused(tmp_path):
    """A bare completion model cannot chat."""
    path = make_tiny_base(tmp_path / "base")
    (path / "chat_template.jinja").unlink()
    with pytest.raises(BaseNotFound, match="no chat template"):
        load_base(ModelConfig(base=str(path), device="cpu"), tmp_path / "cache")


def test_a_base_that_comes_in_nf4_is_loaded_as_it_is(tiny, tmp_path):
    """What was converted once serves as a base elsewhere, without another copy."""
    converted = next(tiny.cache.glob("*-nf4"))
    config = replace(tiny.config, base=str(converted), dtype="bfloat16")
    base = load_base(config, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))
    assert {weight.dtype for weight in base.model.parameters() if weight.is_floating_point()} == {torch.bfloat16}
    mine = tiny.load().model.state_dict()
    theirs = base.model.state_dict()
    packed = [name for name, weight in mine.items() if weight.dtype == torch.uint8 and name.endswith("proj.weight")]
    assert packed
    assert all(torch.equal(mine[name], theirs[name]) for name in packed)


def test_a_base_packed_otherwise_by_bitsandbytes_is_refused(tiny, tmp_path):
    """Without double quantisation weights are spoilt on some CPUs."""
    copy = Path(shutil.copytree(next(tiny.cache.glob("*-nf4")), tmp_path / "single"))
    config = json.loads((copy / "config.json").read_text())
    config["quantization_config"]["bnb_4bit_use_double_quant"] = False
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(BaseNotFound, match="double quantisation"):
        load_base(replace(tiny.config, base=str(copy)), tmp_path / "cache")


def test_loading_says_first_what_it_will_take(tiny, caplog):
    """Weights and the cache of one conversation: 2 layers, 2 heads of 32, 256 tokens, keys and values in fp32."""
    with caplog.at_level("INFO", logger="model.base.memory"):
        tiny.load()
    assert "takes 0.00 GB on cpu, and each conversation of up to 256 tokens 0 MB" in caplog.text
    assert row_bytes(tiny.load().model.config, 256, torch.float32) == 2 * 2 * 2 * 32 * 256 * 4
