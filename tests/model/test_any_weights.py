"""Whatever adapter and model files hold: read, or refused with the package's own error, in bounded memory."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.adapter.files import BaseIdentity, read_adapter
from model.base.files import resolve_base
from model.base.weight_files import damage_of
from model.errors import AdapterMismatch, BaseNotFound
from tests.foreign import changed_bytes, changed_fields, names, values
from tests.tiny import make_tiny_adapter

IDENTITY = BaseIdentity("base", "1", "t")


@pytest.fixture(scope="module")
def tiny(tiny_of):
    return tiny_of("llama")


@pytest.fixture(scope="module")
def parts(tiny, tmp_path_factory):
    """An adapter's files by name, and the shapes that it has to fit."""
    from model.adapter.base_shapes import read_skeleton

    made = make_tiny_adapter(tmp_path_factory.mktemp("made") / "adapter", tiny.load().model)
    files = {path.name: path.read_bytes() for path in made.iterdir() if path.is_file()}
    return files, read_skeleton(tiny.config, tiny.cache).shapes


def header_of(file):
    length = int.from_bytes(file[:8], "little")
    return json.loads(file[8 : 8 + length]), file[8 + length :]


def with_header(header, body):
    return len(header).to_bytes(8, "little") + header + body


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_an_adapter_with_any_configuration_manifest_or_header(parts, tmp_path_factory, data):
    """One file of it is a stranger's."""
    files, shapes = parts
    folder = tmp_path_factory.mktemp("any")
    manifest = {"base_model": "base", "base_revision": "1", "template_hash": "t", "files": {}}
    header, body = header_of(files["adapter_model.safetensors"])
    first = min(set(header) - {"__metadata__"})
    entry = data.draw(changed_fields(header[first])).decode()
    one = json.dumps({**header, first: None}).replace("null", entry, 1).encode()
    content = {
        "adapter_config.json": changed_fields(json.loads(files["adapter_config.json"])),
        "manifest.json": changed_fields(manifest)
        | st.dictionaries(names, values, max_size=3).map(lambda more: json.dumps({**manifest, "files": more}).encode()),
        "adapter_model.safetensors": changed_bytes(files["adapter_model.safetensors"])
        | st.just(with_header(one, body)),
    }
    for name, strategy in content.items():
        for other, whole in files.items():
            (folder / other).write_bytes(whole)
        (folder / name).write_bytes(data.draw(strategy))
        with suppress(AdapterMismatch):
            read_adapter(folder, IDENTITY, shapes)
        (folder / "manifest.json").unlink(missing_ok=True)


@settings(deadline=None, max_examples=60)
@given(
    content=st.binary(max_size=64) | values.map(lambda v: with_header(json.dumps(v).encode(), b"")),
    name=st.sampled_from(["a.gguf", "a.safetensors"]),
)
def test_a_header_of_anything_is_whole_or_said_to_be_damaged(tmp_path_factory, content, name):
    """A look at a file's beginning never fails."""
    file = tmp_path_factory.mktemp("header") / name
    file.write_bytes(content)
    assert damage_of(file) is None or name in damage_of(file)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_a_model_directory_with_any_json(tiny, tmp_path_factory, data):
    """Configuration, index and tokenizer settings of a stranger."""
    folder = tmp_path_factory.mktemp("base")
    shutil.copytree(tiny.config.base, folder, dirs_exist_ok=True)
    for name, whole in (
        ("config.json", json.loads((folder / "config.json").read_bytes())),
        ("tokenizer_config.json", {"chat_template": "x"}),
        ("model.safetensors.index.json", {"weight_map": {"a": "model.safetensors"}}),
    ):
        kept = (folder / name).read_bytes() if (folder / name).exists() else None
        (folder / name).write_bytes(data.draw(changed_fields(whole) | values.map(json.dumps).map(str.encode)))
        with suppress(BaseNotFound):
            resolve_base(str(folder))
        (folder / name).unlink() if kept is None else (folder / name).write_bytes(kept)


@settings(deadline=None, max_examples=60)
@given(name=names)
def test_a_name_of_anything_is_no_base_or_one(name):
    """What stands in the settings; nothing is fetched."""
    if "/" not in name or name.startswith((".", "/", "~")):
        with pytest.raises(BaseNotFound):
            resolve_base(name)
