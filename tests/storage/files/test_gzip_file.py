"""Files packed with gzip."""

from __future__ import annotations

import gzip

import pytest

from storage.errors import FileUnusable
from storage.files.gzip_file import is_gzip, unpacked
from tests.storage.files.chats import ADA, MO, Chat, pairs


@pytest.fixture
def chat():
    return Chat()


def test_what_is_packed_is_read_as_what_is_in_it(chat, tmp_path):
    """`chat.json.gz`; a damaged one and one that never ends are refused."""
    chat.say(ADA, "Hi")
    chat.say(MO, "Ho")
    packed = tmp_path / "chat.json.gz"
    packed.write_bytes(gzip.compress(chat.json(tmp_path / "chat.json").read_bytes()))
    with unpacked(packed) as plain:
        assert plain.name == "chat.json"
        assert pairs(plain) == [([("user", "Hi")], "Ho")]
    assert not plain.exists()
    assert is_gzip(packed)
    with unpacked(tmp_path / "chat.json") as same:
        assert same == tmp_path / "chat.json"
    with pytest.raises(FileUnusable, match="unpacks to more than"), unpacked(packed, 100):
        pass
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(FileUnusable, match="is damaged"), unpacked(packed):
        pass
