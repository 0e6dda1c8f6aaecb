"""`estimate`: figures for a name, a directory and a plain size."""

from __future__ import annotations

import json


def test_the_configured_model_is_estimated_by_default(nightshift):
    """Full fine-tuning, LoRA and QLoRA, and whether they fit."""
    said = nightshift("estimate")
    assert said.code == 0
    assert "embedded (135M)" in said.out
    assert all(way in said.out for way in ("full fine-tuning", "LoRA", "QLoRA", "fits here", "GB on"))


def test_a_plain_size_gives_the_article_s_figures(nightshift):
    """And says what they leave out."""
    said = nightshift("estimate", "10B")
    assert all(figure in said.out for figure in ("160.00", "41.60", "11.60"))
    assert "no activations" in said.out


def test_a_directory_needs_a_config_and_no_weights(nightshift, tmp_path):
    """Only config.json is read."""
    sizes = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8}
    (tmp_path / "config.json").write_text(json.dumps({**sizes, "intermediate_size": 14336, "vocab_size": 32000}))
    assert "(7.2B)" in nightshift("estimate", tmp_path).out


def test_more_text_in_a_pass_needs_more_memory(nightshift):
    """The options reach the arithmetic."""
    small = nightshift("estimate", "embedded", "--rows", "1", "--tokens", "64").out
    large = nightshift(
        "estimate", "embedded", "--rows", "8", "--tokens", "2048", "--rank", "64", "--no-checkpointing"
    ).out
    assert "1 x 64 tokens, rank 16" in small
    assert "8 x 2048 tokens, rank 64" in large
    assert small.splitlines()[4:7] != large.splitlines()[4:7]


def test_a_hub_model_that_cannot_be_reached_is_one_sentence(nightshift, monkeypatch):
    """The hub is told to be offline: no test asks it for anything."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    nightshift("estimate", "owner/model").fails_with(1, "'owner/model' cannot be loaded")


def test_a_model_that_is_not_there_or_not_of_the_family_is_one_sentence(nightshift, tmp_path):
    """A word that is no model, an empty directory, sizes that are missing, a broken file."""
    nightshift("estimate", "nonsense").fails_with(1, "'nonsense' cannot be loaded")
    nightshift("estimate", tmp_path).fails_with(1, "no config.json")
    (tmp_path / "config.json").write_text('{"d_model": 512}')
    nightshift("estimate", tmp_path).fails_with(1, "lacks the sizes of a Llama-like model")
    (tmp_path / "config.json").write_text("{")
    nightshift("estimate", tmp_path).fails_with(1, "config.json")


def test_the_parts_are_drawn_as_bars(nightshift, tmp_path):
    """A PNG file, named on the last line."""
    file = tmp_path / "memory.png"
    said = nightshift("estimate", "embedded", "10B", "--plot", file)
    assert said.out.strip().endswith(str(file))
    assert file.read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_one_sentence(nightshift, tmp_path):
    """The folder is missing."""
    nightshift("estimate", "10B", "--plot", tmp_path / "no" / "memory.png").fails_with(1, "cannot be written")
