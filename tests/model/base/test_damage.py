"""Bases and their converted copies that are damaged, half there, changed, or not what is read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.base.files import resolve_base
from model.base.loading import load_base
from model.chat import Message, encode_prompt
from model.config import ModelConfig
from model.errors import BaseNotFound
from tests.tiny import TEMPLATE, make_tiny_base


@pytest.fixture
def own(tiny, tmp_path):
    """A base and its converted copy that a test may damage; as (configuration, converted directory)."""
    tiny.load()
    base = Path(shutil.copytree(tiny.config.base, tmp_path / "base"))
    config = replace(tiny.config, base=str(base))
    load_base(config, tmp_path / "models")
    (converted,) = (tmp_path / "models").glob("*-nf4")
    return config, converted


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def flip(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(b"\xff" * 8)


def zero_the_middle(file: Path) -> None:
    before = file.stat()
    with file.open("r+b") as stream:
        stream.seek(before.st_size // 2)
        stream.write(b"\0" * 4096)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a failing disk would


def halve(directory: Path) -> None:
    for file in directory.iterdir():
        if file.name not in {"config.json", "generation_config.json"}:
            file.unlink()


DAMAGES = {
    "cut off": lambda d: cut(d / "model.safetensors"),
    "emptied": lambda d: (d / "model.safetensors").write_bytes(b""),
    "header flipped": lambda d: flip(d / "model.safetensors"),
    "zeros in the middle": lambda d: zero_the_middle(d / "model.safetensors"),
    "weights missing": lambda d: (d / "model.safetensors").unlink(),
    "config missing": lambda d: (d / "config.json").unlink(),
    "config broken": lambda d: (d / "config.json").write_text("{"),
    "tokenizer missing": lambda d: (d / "tokenizer.json").unlink(),
    "tokenizer cut off": lambda d: cut(d / "tokenizer.json"),
    "half there": halve,
    "empty": lambda d: [file.unlink() for file in d.iterdir()],
    "seal broken": lambda d: (d / "nightshift.json").write_text("{"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_copy_is_made_anew(own, damage, caplog):
    """It is noticed before it is loaded, said, and mended; nothing is left beside it."""
    config, converted = own
    # Copied, for they are mapped from the file that is damaged next.
    whole = {name: one.clone() for name, one in load_base(config, converted.parent).model.state_dict().items()}
    damage(converted)
    mended = load_base(config, converted.parent).model.state_dict()
    assert "is damaged" in caplog.text
    assert "converted again" in caplog.text
    assert all(torch.equal(whole[name], mended[name]) for name in whole)
    assert sorted(entry.name for entry in converted.parent.iterdir()) == sorted([converted.name, "digests.json"])


def test_a_copy_of_an_older_version_is_kept_and_sealed(own, caplog):
    """It had no seal yet; from now on its bytes are compared."""
    config, converted = own
    (converted / "nightshift.json").unlink()
    load_base(config, converted.parent)
    assert "damaged" not in caplog.text
    zero_the_middle(converted / "model.safetensors")
    load_base(config, converted.parent)
    assert "model.safetensors has changed since it was made" in caplog.text


def test_what_killed_conversions_left_is_cleared(own):
    """Each would take as much room as the base itself; one that goes on is left alone."""
    config, converted = own
    left = converted.parent / ".convert-killed"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"0" * 1000)
    busy = (
        "import fcntl, os, sys; d = os.open(sys.argv[1], os.O_RDONLY); fcntl.flock(d, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", busy, str(converted.parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        load_base(config, converted.parent)
        assert left.exists()
        other.stdin.close()
    load_base(config, converted.parent)
    assert not left.exists()


def test_every_byte_of_the_weights_is_in_the_revision(own):
    """An adapter for yesterday's weights must not fit today's, wherever they differ."""
    config, _ = own
    one = resolve_base(config.base)
    with (Path(config.base) / "model.safetensors").open("r+b") as stream:
        stream.seek(300_000)
        stream.write(b"\1\2\3\4")
    assert resolve_base(config.base).revision != one.revision


def test_a_changed_tokenizer_is_another_revision_and_a_changed_template_is_seen(own):
    """A template has its own hash, and a new one needs no new conversion."""
    config, converted = own
    before = load_base(config, converted.parent)
    (Path(config.base) / "chat_template.jinja").write_text("Kind. " + TEMPLATE)
    after = load_base(config, converted.parent)
    assert after.revision == before.revision
    assert after.template_hash != before.template_hash
    assert after.tokenizer.decode(encode_prompt(after.tokenizer, [Message("user", "x")])).startswith("Kind. ")
    tokenizer = Path(config.base) / "tokenizer.json"
    tokenizer.write_text(json.dumps(json.loads(tokenizer.read_text()), indent=3))
    assert resolve_base(config.base).revision != before.revision


# Bases that are not whole, or not read


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda d: (d / "model.safetensors").write_text(POINTER), "Git LFS pointer.*git lfs pull"),
        (lambda d: (d / "tokenizer.json").write_text(POINTER), "Git LFS pointer.*git lfs pull"),
        (lambda d: cut(d / "model.safetensors"), "model.safetensors is damaged or cut off"),
        (lambda d: flip(d / "model.safetensors"), "model.safetensors is damaged"),
        (lambda d: (d / "config.json").write_text("{"), "config.json|delimiter|property name"),
        (lambda d: (d / "config.json").write_text("[]"), "config.json is damaged"),
        (
            lambda d: (d / "model.safetensors.index.json").write_text('{"weight_map": {"a": "two.safetensors"}}'),
            "two.safetensors is missing",
        ),
        (lambda d: (d / "model.safetensors.index.json").write_text("{}"), "index.json is damaged"),
        (
            lambda d: (d / "config.json").write_text('{"model_type": "gemma3", "vision_config": {"a": 1}}'),
            r"images or sound besides text \(gemma3\), and only models of text alone are read",
        ),
        (lambda d: (d / "config.json").write_text('{"model_type": "nosuch"}'), "nosuch"),
        (lambda d: (d / "config.json").write_text('{"model_type": "t5"}'), "cannot be loaded"),
    ],
)
def test_a_base_that_cannot_be_read_is_one_sentence(tiny, tmp_path, damage, sentence):
    """Before anything is converted."""
    base = Path(shutil.copytree(tiny.config.base, tmp_path / "base"))
    damage(base)
    with pytest.raises(BaseNotFound, match=sentence):
        load_base(replace(tiny.config, base=str(base)), tmp_path / "models")
    assert not (tmp_path / "models").exists() or list((tmp_path / "models").iterdir()) == []


@pytest.mark.parametrize("sizes", [{"hidden_size": 96}, {"intermediate_size": 200}, {"intermediate_size": 33}])
def test_layers_of_any_size_are_computed(tmp_path, sizes):
    """The packed products of some CPUs take multiples of 64 and 32 only."""
    base = load_base(ModelConfig(base=str(make_tiny_base(tmp_path / "base", **sizes)), device="cpu"), tmp_path / "m")
    with torch.inference_mode():
        first = base.model(torch.tensor([[5, 6, 7]])).logits
        assert torch.equal(first, base.model(torch.tensor([[5, 6, 7]])).logits)
    assert torch.isfinite(first).all()


# Chat templates


def bare(tiny, tmp_path, **changes):
    base = Path(shutil.copytree(tiny.config.base, tmp_path / "base"))
    (base / "chat_template.jinja").unlink()
    return replace(tiny.config, base=str(base), **changes)


def test_a_base_without_template_is_refused_before_it_is_converted(tiny, tmp_path, monkeypatch):
    """A conversion takes minutes and gigabytes."""
    monkeypatch.setattr("model.base.conversion._convert", lambda *_: pytest.fail("converted"))
    with pytest.raises(BaseNotFound, match=r"no chat template.*\[model\] chat_template"):
        load_base(bare(tiny, tmp_path), tmp_path / "models")


@pytest.mark.parametrize("absolute", [True, False])
def test_a_base_gets_a_template_by_a_setting(tiny, tmp_path, absolute):
    """From a file in the home, or anywhere; the template is part of the adapter's identity."""
    file = tmp_path / "chatml.jinja"
    file.write_text(TEMPLATE)
    base = load_base(bare(tiny, tmp_path, chat_template=str(file) if absolute else file.name), tmp_path / "models")
    assert base.template_hash == tiny.load().template_hash
    assert "<|im_start|>user\nhi" in base.tokenizer.decode(encode_prompt(base.tokenizer, [Message("user", "hi")]))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "chat_template cannot be read"),
        (" \n", "is empty"),
        ("{% for %}", "cannot be used"),
        ("{{ raise_exception('never') }}", r"cannot be used \(never\)"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_sentence(tiny, tmp_path, monkeypatch, content, sentence):
    """A file that is not there, or is no template."""
    monkeypatch.setattr("model.base.conversion._convert", lambda *_: pytest.fail("converted"))
    if content is not None:
        (tmp_path / "own.jinja").write_text(content)
    with pytest.raises(BaseNotFound, match=sentence):
        load_base(bare(tiny, tmp_path, chat_template="own.jinja"), tmp_path / "models")


@pytest.mark.parametrize(
    ("content", "sentence"), [(POINTER, "Git LFS pointer"), ("", "is empty"), ("words", "is no GGUF file")]
)
def test_a_gguf_file_that_is_none_is_one_sentence(tmp_path, content, sentence):
    """Before its library is asked."""
    file = tmp_path / "model.gguf"
    file.write_text(content)
    with pytest.raises(BaseNotFound, match=sentence):
        load_base(ModelConfig(base=str(file), device="cpu"), tmp_path / "models")
