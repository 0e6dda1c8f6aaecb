"""`storage encrypt` and `storage decrypt` on a real home."""

from __future__ import annotations

import json

import pytest

from storage.encryption import is_plain
from storage.files.home_lock import occupy
from storage.store import Store

pytest.importorskip("sqlcipher3")


def set_key(home):
    home.config.write_text('[storage]\nkey_file = "../keys/nightshift.key"\n', encoding="utf-8")


def add_pair(nightshift, tmp_path):
    row = {"messages": [{"role": "user", "content": "hello?"}, {"role": "assistant", "content": "Aye. - Watch"}]}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row), encoding="utf-8")
    assert nightshift("import", tmp_path / "pairs.jsonl").code == 0


def test_there_and_back(nightshift, home, tmp_path):
    """Each command says what it did, and doing it twice changes nothing."""
    home.ensure()
    out = tmp_path / "out.jsonl"
    add_pair(nightshift, tmp_path)
    set_key(home)
    assert "not encrypted yet" in nightshift("export", out).err
    first = nightshift("storage", "encrypt")
    assert first.code == 0
    assert "Keep a copy" in first.out
    assert not is_plain(home.db)
    assert nightshift("storage", "encrypt").out.startswith("Already encrypted")
    assert nightshift("export", out).code == 0
    assert "Aye. - Watch" in out.read_text(encoding="utf-8")
    home.config.unlink()
    assert "is encrypted: set key_file" in nightshift("export", out).err
    assert "No key file is set" in nightshift("storage", "decrypt").err
    set_key(home)
    assert "remove key_file" in nightshift("storage", "decrypt").out
    assert is_plain(home.db)
    assert nightshift("storage", "decrypt").out.startswith("Not encrypted")
    home.config.unlink()
    done = [one["action"] for one in nightshift("audit", "--action", "storage", "--json").json]
    assert done == ["storage.encrypt", "storage.decrypt"]


def test_a_running_bot_keeps_its_database(nightshift, home, tmp_path):
    """Nothing is changed under it."""
    home.ensure()
    add_pair(nightshift, tmp_path)
    set_key(home)
    with occupy(home):
        said = nightshift("storage", "encrypt")
    assert said.code == 1
    assert "Another Nightshift" in said.err
    assert is_plain(home.db)


def test_without_a_key_file_in_the_settings_nothing_happens(nightshift, home):
    """The sentence says what to write where."""
    said = nightshift("storage", "encrypt")
    assert said.code == 1
    assert "key_file" in said.err
    assert "outside the home" in said.err


def test_a_missing_key_is_not_replaced(nightshift, home, tmp_path):
    """For an encrypted database a new key would be of no use."""
    home.ensure()
    set_key(home)
    assert nightshift("storage", "encrypt").code == 0
    Store.open(home.db).close()
    (tmp_path / "keys" / "nightshift.key").rename(tmp_path / "moved.key")
    said = nightshift("storage", "encrypt")
    assert said.code == 1
    assert not (tmp_path / "keys" / "nightshift.key").exists()
    assert "key file" in said.err
