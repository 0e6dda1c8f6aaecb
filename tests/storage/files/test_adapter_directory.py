"""The adapter directory: whole or not there, checked, and never without the champion."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storage.adapter_errors import AdapterDamaged, AdapterExists, AdapterMissing, AdapterUnpublished
from storage.files.adapter_directory import AdapterDirectory

WEIGHTS = "adapter_model.safetensors"

# A publisher that stops dead at one step of the real thing, told by the interpreter's own audit events.
PUBLISHER = """
import sys, time
from pathlib import Path
from storage.files.adapter_directory import AdapterDirectory
event, part = sys.argv[3], sys.argv[4]
def stop(name, arguments):
    if name == event and part in str(arguments[0]) and ".partial-" in str(arguments[0]):
        print("reached", flush=True)
        time.sleep(60)
directory = AdapterDirectory(Path(sys.argv[1]))
sys.addaudithook(stop)
directory.publish("v2", Path(sys.argv[2]), {"seed": 2})
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "trained"
    folder.mkdir()
    (folder / WEIGHTS).write_bytes(os.urandom(3_000_000))
    (folder / "adapter_config.json").write_text('{"r": 16}')
    (folder / "README.md").write_text("a card")
    (folder / "checkpoint-3").mkdir()
    return folder


@pytest.fixture
def directory(tmp_path: Path) -> AdapterDirectory:
    return AdapterDirectory(tmp_path / "adapters")


def test_a_published_adapter_has_its_files_and_their_hashes(directory, source):
    """What the caller says of it is kept; folders (checkpoints) are not copied."""
    path = directory.publish("v1", source, {"base_model": "embedded", "seed": 7, "files": "overwritten"})
    assert sorted(file.name for file in path.iterdir()) == [
        "README.md",
        "adapter_config.json",
        WEIGHTS,
        "manifest.json",
    ]
    manifest = directory.verify("v1")
    assert manifest == directory.manifest("v1")
    assert (manifest["adapter"], manifest["base_model"], manifest["seed"]) == ("v1", "embedded", 7)
    assert manifest["files"][WEIGHTS] == hashlib.sha256((source / WEIGHTS).read_bytes()).hexdigest()
    assert directory.ids() == ["v1"]
    assert directory.path("v1") == path


def test_an_adapter_is_never_written_again(directory, source):
    """Not even by the same run."""
    directory.publish("v1", source, {})
    (source / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterExists, match="v1 already exists"):
        directory.publish("v1", source, {})
    assert directory.verify("v1")
    assert _leftovers(directory) == []


@pytest.mark.parametrize("name", ["base", "", ".hidden", "../v1", "a/b", "-x", "a b", "x" * 101])
def test_a_name_that_is_no_plain_file_name_is_refused(directory, source, name):
    """Nothing is written outside the directory, and `base` means the bare base."""
    with pytest.raises(AdapterUnpublished, match="an id has letters"):
        directory.publish(name, source, {})
    with pytest.raises(AdapterMissing):
        directory.verify(name)


def test_a_source_without_weights_is_refused(directory, source):
    """Checked before anything is written."""
    (source / WEIGHTS).unlink()
    with pytest.raises(AdapterUnpublished, match=f"has no {WEIGHTS}"):
        directory.publish("v1", source, {})
    assert directory.ids() == []


def test_a_manifest_that_cannot_be_written_leaves_nothing(directory, source):
    """The error comes through and the copied files are gone."""
    with pytest.raises(TypeError):
        directory.publish("v1", source, {"model": object()})
    assert directory.ids() == []
    assert _leftovers(directory) == []


def test_a_directory_that_cannot_be_made_is_one_sentence(tmp_path, source):
    """As when the home's disk went away."""
    (tmp_path / "file").write_text("")
    with pytest.raises(AdapterUnpublished, match="v1 was not published"):
        AdapterDirectory(tmp_path / "file" / "adapters").publish("v1", source, {})


@pytest.mark.parametrize(
    ("event", "part"),
    [("open", WEIGHTS), ("open", "manifest.json"), ("os.rename", "")],
    ids=["copying the weights", "before the manifest", "before the rename"],
)
def test_a_publisher_killed_half_way_leaves_no_adapter(directory, source, event, part):
    """SIGKILL at each step: nothing is listed, a sweep tidies up, and the id can be published again."""
    directory.publish("v1", source, {})
    command = [sys.executable, "-c", PUBLISHER, str(directory.path("")), str(source), event, part]
    publisher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert publisher.stdout.readline() == "reached\n"
    assert directory.sweep() == []  # it is alive: its files are not swept from under it
    publisher.send_signal(signal.SIGKILL)
    publisher.wait()
    publisher.stdout.close()

    assert directory.ids() == ["v1"]
    with pytest.raises(AdapterMissing):
        directory.verify("v2")
    left = _leftovers(directory)
    assert len(left) == 1
    assert directory.sweep() == left
    assert _leftovers(directory) == []
    directory.publish("v2", source, {})
    assert directory.verify("v2")
    assert directory.verify("v1")


def test_a_changed_file_is_found(directory, source):
    """One flipped bit in the weights, the size unchanged."""
    path = directory.publish("v1", source, {}) / WEIGHTS
    content = bytearray(path.read_bytes())
    content[1_500_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(AdapterDamaged, match=f"{WEIGHTS} has changed") as caught:
        directory.verify("v1")
    assert caught.value.adapter == "v1"


def test_a_missing_file_is_found(directory, source):
    """And named."""
    (directory.publish("v1", source, {}) / "adapter_config.json").unlink()
    with pytest.raises(AdapterDamaged, match=r"adapter_config\.json is gone"):
        directory.verify("v1")


@pytest.mark.parametrize(
    "text",
    ["{broken", "[]", '{"adapter": "v2", "files": {}}', '{"adapter": "v1"}', '{"adapter": "v1", "files": {}}'],
)
def test_a_damaged_manifest_is_found(directory, source, text):
    """Broken, another adapter's, or without its files."""
    (directory.publish("v1", source, {}) / "manifest.json").write_text(text)
    with pytest.raises(AdapterDamaged, match="manifest"):
        directory.verify("v1")


def test_a_manifest_that_lists_a_file_elsewhere_is_damaged(directory, source, tmp_path):
    """A manifest names files of its own directory."""
    path = directory.publish("v1", source, {})
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"]["../../trained/README.md"] = hashlib.sha256(b"a card").hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(AdapterDamaged, match="manifest"):
        directory.verify("v1")


def test_without_a_manifest_there_is_no_adapter(directory, source):
    """A directory somebody made by hand is not listed and not verified."""
    (directory.publish("v1", source, {}) / "manifest.json").unlink()
    assert directory.ids() == []
    with pytest.raises(AdapterMissing, match="no adapter v1"):
        directory.manifest("v1")


def test_pruning_keeps_the_champion(directory, source):
    """Whatever is named is kept; the rest goes, and its ids are told."""
    for name in ("v1", "v2", "v3"):
        directory.publish(name, source, {})
    assert directory.prune({"v2", "unknown"}) == ["v1", "v3"]
    assert directory.ids() == ["v2"]
    assert directory.verify("v2")
    assert _leftovers(directory) == []
    assert directory.prune({"v2"}) == []


def test_removing_one_leaves_what_is_published_meanwhile(directory, source, monkeypatch):
    """As by a run that ends while the adapters of a server that was left are removed."""
    directory.publish("v1", source, {})
    listed = AdapterDirectory.ids

    def ids(self):
        found = listed(self)
        if "v2" not in found:
            self.publish("v2", source, {})
        return found

    monkeypatch.setattr(AdapterDirectory, "ids", ids)
    assert directory.remove(["v1", "unknown"]) == ["v1"]
    assert directory.ids() == ["v2"]


def test_an_empty_home_has_no_adapters(directory):
    """Listing, pruning and sweeping ask for nothing to be there."""
    assert (directory.ids(), directory.prune(set()), directory.sweep()) == ([], [], [])


def _leftovers(directory: AdapterDirectory) -> list[str]:
    return [entry.name for entry in directory.path("").iterdir() if entry.name.startswith(".partial-")]


@pytest.mark.parametrize("field", ["base_revision", "base_model", "seed", "adapter", "files", "seal"])
def test_an_edited_manifest_is_found(directory, source, field):
    """Each field of it is sealed: what the adapter was made for is as much a part of it as its weights."""
    path = directory.publish("v1", source, {"base_model": "b", "base_revision": "r1", "seed": 7}) / "manifest.json"
    published = directory.manifest("v1")
    manifest = {**published, field: {} if field == "files" else "other"}
    path.write_text(json.dumps(manifest))
    with pytest.raises(AdapterDamaged, match=r"manifest\.json"):
        directory.verify("v1")
    del manifest[field]
    path.write_text(json.dumps({**manifest, "adapter": "v1"}))
    with pytest.raises(AdapterDamaged, match=r"manifest\.json"):
        directory.verify("v1", {**published, "adapter": "v0"} if field == "adapter" else published)


def test_a_field_that_was_added_is_found(directory, source):
    """Nothing may be said of an adapter that was not said when it was published."""
    path = directory.publish("v1", source, {"seed": 7}) / "manifest.json"
    path.write_text(json.dumps({**directory.manifest("v1"), "consent": "members"}))
    with pytest.raises(AdapterDamaged):
        directory.verify("v1")


def test_a_manifest_from_before_the_seal_is_accepted_as_it_was_registered(directory, source):
    """Adapters of earlier versions go on serving; an edit shows against their row."""
    path = directory.publish("v1", source, {"base_revision": "r1"}) / "manifest.json"
    old = {name: value for name, value in directory.manifest("v1").items() if name != "seal"}
    path.write_text(json.dumps(old))
    assert directory.verify("v1", old) == old
    path.write_text(json.dumps({**old, "base_revision": "r2"}))
    with pytest.raises(AdapterDamaged, match="has changed since it was published"):
        directory.verify("v1", old)
