"""Files packed with gzip."""

from __future__ import annotations

import gzip

import pytest

from storage.errors import FileUnusable
from storage.files.gzip_file import is_gzip, unpacked
from storage.files.pair_files import read_pairs
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


def test_what_is_wrong_with_the_content_is_said_of_the_file_that_was_named(tmp_path):
    """Not of the temporary one, which is gone when it is read."""
    packed = tmp_path / "mine.csv.gz"
    packed.write_bytes(gzip.compress(b"one,two,three\n1,2,3\n"))
    with pytest.raises(FileUnusable) as caught, unpacked(packed) as plain:
        list(read_pairs(plain))
    assert (caught.value.path, caught.value.kind) == (packed, "columns")
    assert str(caught.value).startswith(str(packed))
