"""Whatever an import file or a manifest holds: rows, refused rows, or one sentence, and never another error."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.adapter_errors import AdapterDamaged, AdapterMissing
from storage.errors import FileUnusable
from storage.files.adapter_directory import AdapterDirectory, is_adapter_name
from storage.files.discord_export import export_kind, speakers
from storage.files.gzip_file import unpacked
from storage.files.pair_files import read_pairs, read_voice
from storage.files.row_rules import BadRow
from storage.pair_records import NewPair
from tests.foreign import changed_bytes, changed_fields, names, values

MESSAGE = {
    "id": "7",
    "type": "Default",
    "timestamp": "2026-01-01T10:00:00+00:00",
    "content": "Hi",
    "author": {"id": "1", "name": "ada", "nickname": "Ada", "isBot": False},
    "attachments": [{"fileName": "a.png"}],
    "mentions": [{"id": "2", "name": "bob", "nickname": "Bob"}],
    "reference": {"messageId": "6"},
}
ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "weight": 1}
PAIR = {"prompt": "Hi", "completion": "Hello", "kind": "approved", "origins": ["import"]}
FILES = [
    b'prompt,reply\r\nHi,"Hello, you"\r\n',
    b"AuthorID,Author,Date,Content,Attachments,Reactions\n1,ada,2026-01-01T10:00:00+00:00,Hi,,\n",
    json.dumps([ROW, PAIR]).encode(),
    (json.dumps(ROW) + "\n" + json.dumps(PAIR) + "\n").encode(),
    json.dumps({"guild": {}, "channel": {}, "messages": [MESSAGE, MESSAGE]}).encode(),
]
NAMES = st.sampled_from(["a.csv", "a.json", "a.jsonl", "a.json.gz"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("foreign")


def read_all(path):
    """Everything that `nightshift import` may ask of a file."""
    with suppress(FileUnusable), unpacked(path) as plain:
        with suppress(FileUnusable):
            assert all(isinstance(row, NewPair | BadRow) for row in read_pairs(plain, max_rows=10_000))
        if (kind := export_kind(plain)) is not None:
            for speaker in speakers(plain, kind):
                assert all(isinstance(row, NewPair | BadRow) for row in read_voice(plain, kind, speaker, names="keep"))


@settings(deadline=None, max_examples=80)
@given(content=st.sampled_from(FILES).flatmap(changed_bytes), name=NAMES, packed=st.booleans())
def test_a_file_with_a_few_wrong_bytes(folder, content, name, packed):
    """Tables, arrays, lines and exports, packed or not."""
    path = folder / name
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    read_all(path)


@settings(deadline=None, max_examples=60)
@given(content=changed_bytes(gzip.compress(FILES[3], mtime=0)))
def test_a_packed_file_with_a_few_wrong_bytes(folder, content):
    """Header, compressed data, checksum."""
    path = folder / "packed.jsonl.gz"
    path.write_bytes(content)
    read_all(path)


@settings(deadline=None, max_examples=80)
@given(
    row=changed_fields(ROW)
    | changed_fields(PAIR)
    | changed_fields(ROW["messages"][1])
    | values.map(json.dumps).map(str.encode),
    array=st.booleans(),
)
def test_a_row_with_any_fields(folder, row, array):
    """Roles, contents, weights and origins of any kind."""
    path = folder / "rows.json"
    path.write_bytes(b"[" + row + b"]" if array else row + b"\n" + row)
    read_all(path)


@settings(deadline=None, max_examples=80)
@given(first=changed_fields(MESSAGE), second=changed_fields(MESSAGE), author=changed_fields(MESSAGE["author"]))
def test_an_export_with_any_fields(folder, first, second, author):
    """Ids, dates, authors, attachments and mentions of any kind."""
    path = folder / "export.json"
    third = json.dumps(MESSAGE).encode().replace(json.dumps(MESSAGE["author"]).encode(), author)
    path.write_bytes(
        b'{"guild": {}, "messages": [' + b", ".join([json.dumps(MESSAGE).encode(), first, second, third]) + b"]}"
    )
    read_all(path)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("adapters")
    source = root / "source"
    source.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (source / name).write_bytes(b"x")
    directory = AdapterDirectory(root / "all")
    directory.publish("a1", source, {"base_model": "b", "rank": 8})
    return directory, json.loads((root / "all/a1/manifest.json").read_text())


@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_a_manifest_with_any_fields(published, data):
    """The one that verifies is the one that was published."""
    directory, manifest = published
    content = data.draw(changed_fields(manifest) | changed_bytes(json.dumps(manifest).encode()))
    unsealed = {name: value for name, value in manifest.items() if name != "seal"}
    files = st.dictionaries(names, values, max_size=3).map(
        lambda more: json.dumps({**unsealed, "files": {**manifest["files"], **more}}).encode()
    )
    for text in (content, data.draw(files)):
        (directory.path("a1") / "manifest.json").write_bytes(text)
        with suppress(AdapterDamaged):
            assert directory.verify("a1")["files"].items() >= manifest["files"].items()


@given(name=names)
def test_a_name_that_leads_elsewhere_is_no_adapter(published, name):
    """Ids come from people too."""
    if not is_adapter_name(name) or name != "a1":
        with pytest.raises(AdapterMissing):
            published[0].manifest(name)
