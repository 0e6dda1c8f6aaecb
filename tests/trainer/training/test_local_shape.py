"""The sizes of a base are those of its own config, and of no other base whose name begins alike."""

from __future__ import annotations

import json
import os

import pytest

from tests.tiny import tiny_config
from trainer.training.local_shape import local_shape


@pytest.fixture
def models(tmp_path):
    """Converted bases of one family, the newest last."""
    for age, (name, layers) in enumerate(
        [("Qwen3-4B-0123456789ab", 36), ("Qwen3-4B-ffffffffffff", 37), ("Qwen3-4B-Instruct-2507-ba9876543210", 40)]
    ):
        folder = tmp_path / f"{name}-nf4"
        folder.mkdir()
        config = tiny_config("qwen3", num_hidden_layers=layers).to_dict()
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        os.utime(folder / "config.json", (age, age))
    return tmp_path


@pytest.mark.parametrize(
    ("base", "layers"),
    [("Qwen/Qwen3-4B", 37), ("Qwen/Qwen3-4B@main", 37), ("Qwen/Qwen3-4B-Instruct-2507", 40), ("Qwen/Qwen3", None)],
)
def test_a_base_has_the_sizes_of_its_own_conversion(models, base, layers):
    """The newest one of its name."""
    shape = local_shape(base, models)
    assert (shape.layers if shape else None) == layers


def test_a_name_is_no_pattern(models):
    """Nor is one that means something to a shell."""
    assert local_shape("Qwen/Qwen3-[4]B", models) is None
    assert local_shape("Qwen/*", models) is None
