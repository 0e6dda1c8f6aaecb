"""Adapter files that somebody else may have written: read in bounded time, and refused in a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.adapter.files import BaseIdentity, read_adapter
from model.errors import AdapterMismatch
from tests.tiny import make_tiny_adapter

IDENTITY = BaseIdentity("base", "1", "t")


@pytest.fixture
def adapter(tiny, tmp_path):
    base = tiny.load().model
    return make_tiny_adapter(tmp_path / "adapter", base)


@pytest.fixture
def shapes(tiny):
    from model.adapter.base_shapes import read_skeleton

    return read_skeleton(tiny.config, tiny.cache).shapes


def changed(adapter: Path, **values: object) -> Path:
    file = adapter / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    return adapter


def refused(adapter, shapes, sentence):
    with pytest.raises(AdapterMismatch, match=sentence):
        read_adapter(adapter, IDENTITY, shapes)


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), float("-inf"), 0, -16, True, "16", None, 10**400, 1e300])
@pytest.mark.parametrize("rslora", [True, False])
def test_an_alpha_that_is_no_scale_is_refused(adapter, shapes, alpha, rslora):
    """It would be served, and answer nothing."""
    refused(changed(adapter, lora_alpha=alpha, use_rslora=rslora), shapes, "alpha")


@pytest.mark.parametrize("rank", [0, -8, True, 8.0, "8", None, 10**400])
def test_a_rank_that_is_none_is_refused(adapter, shapes, rank):
    """Ranks are whole numbers above 0."""
    refused(changed(adapter, r=rank), shapes, "rank|alpha")


@pytest.mark.parametrize("name", ["adapter_config.json", "manifest.json"])
@pytest.mark.parametrize(
    "content", ["[" * 1_000_000, '{"a":' * 500_000, "{", "[1]", "\x00", '{"r": ' + "9" * 10_000 + "}"]
)
def test_broken_or_endless_json_is_refused(adapter, shapes, name, content):
    """Brackets within brackets, digits without end, half a file."""
    (adapter / name).write_text(content)
    refused(adapter, shapes, f"{name} (cannot be read|is damaged)")


@pytest.mark.parametrize(
    "files",
    [
        {"/dev/zero": "0"},
        {"../adapter/adapter_config.json": "0"},
        {"..": "0"},
        {"": "0"},
        {"pipe": "0"},
        {"endless": "0"},
        ["adapter_config.json"],
        None,
    ],
)
def test_a_manifest_names_files_beside_it_only(adapter, shapes, files):
    """A device or a pipe would be read for ever."""
    os.mkfifo(adapter / "pipe")
    (adapter / "endless").symlink_to("/dev/zero")
    (adapter / "manifest.json").write_text(json.dumps({"files": files}))
    refused(adapter, shapes, r"manifest\.json lists|is missing")


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_device_in_place_of_a_file_is_refused(adapter, shapes, name):
    """By whatever way it came there."""
    (adapter / name).unlink()
    (adapter / name).symlink_to("/dev/zero")
    refused(adapter, shapes, f"{name} is missing")


def test_weights_that_overflow_with_their_alpha_are_refused(adapter, shapes):
    """Finite on disk, infinite in use."""
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if "lora_B" in name)
    tensors[name] = torch.full_like(tensors[name], 3e38)
    save_file(tensors, file, metadata={"format": "pt"})
    refused(changed(adapter, lora_alpha=1000), shapes, "not finite once its alpha is applied")


def test_shapes_are_compared_before_weights_take_memory(adapter, shapes, monkeypatch):
    """A file may hold gigabytes for a module that is small."""
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    name = next(iter(tensors))
    tensors[name] = torch.zeros(8, 4096)
    save_file(tensors, file, metadata={"format": "pt"})
    monkeypatch.setattr("model.adapter.files.load_file", lambda _: pytest.fail("loaded"))
    refused(adapter, shapes, "do not have the shapes of this base")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git LFS pointer.*git lfs pull"),
        (b"", "is empty"),
        (b"\xff" * 100, "damaged or cut off"),
        (b"\x02\0\0\0\0\0\0\0{}", "holds no LoRA weights"),
    ],
)
def test_weights_that_are_none_are_refused(adapter, shapes, content, sentence):
    """A pointer in place of the file, nothing, half of it."""
    (adapter / "adapter_model.safetensors").write_bytes(content)
    refused(adapter, shapes, sentence)
