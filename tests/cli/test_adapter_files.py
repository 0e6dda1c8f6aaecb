"""`adapters adopt` and `adapters export` on a tiny base, from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.base.loading import load_base
from model.config import ModelConfig
from tests.tiny import make_tiny_adapter, make_tiny_base


@pytest.fixture
def voice(home, tmp_path, monkeypatch) -> Path:
    """An adapter that PEFT saved, and a home set to its base."""
    base = make_tiny_base(tmp_path / "base")
    monkeypatch.setenv("NIGHTSHIFT_MODEL__BASE", str(base))
    monkeypatch.setenv("NIGHTSHIFT_MODEL__DEVICE", "cpu")
    loaded = load_base(ModelConfig(base=str(base), device="cpu"), home.ensure().models)
    return make_tiny_adapter(tmp_path / "voice", loaded.model, rank=32)


def test_adopt_says_what_it_took_and_how_to_use_it(nightshift, store, voice):
    """Nothing is promoted; the line to type is there."""
    said = nightshift("adapters", "adopt", voice, "--id", "guest")
    assert said.code == 0, said
    assert said.out.splitlines() == [
        "Adopted guest: rank 32, on 14 layers.",
        "Its rank is above [model] lora_rank = 16: the first swap to it allocates memory anew.",
        "It was not judged and is not in use. To use it: nightshift adapters use guest",
    ]
    assert store.champion() is None
    assert nightshift("adapters", "use", "guest").out == "In use now: guest\n"
    nightshift("adapters", "adopt", voice, "--id", "guest").fails_with(1, "already exists")
    nightshift("adapters", "adopt", "./nowhere").fails_with(1, "cannot be adopted: there is no such directory")


def test_export_writes_both_forms_and_warns_of_the_merged_one(nightshift, voice, tmp_path):
    """Relative to where one stands, and a sentence where there is nothing to write."""
    nightshift("adapters", "adopt", voice, "--id", "guest")
    said = nightshift("adapters", "export", "guest", "--gguf", tmp_path / "g.gguf", "--merged", tmp_path / "merged")
    assert said.code == 0, said
    assert "Wrote 28 tensors" in said.out
    assert "check their answers before you use them" in said.out
    assert (tmp_path / "g.gguf").stat().st_size > 10_000
    assert (tmp_path / "merged" / "model.safetensors").exists()
    nightshift("adapters", "export", "guest").fails_with(2, "--gguf FILE or --merged DIRECTORY")
    nightshift("adapters", "export", "nobody", "--gguf", tmp_path / "n.gguf").fails_with(1, "no adapter nobody")
