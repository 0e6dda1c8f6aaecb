"""Files that only their owner reads."""

from __future__ import annotations

import pytest

from storage.files.private_file import sync, write_private


def test_a_private_file_is_its_owner_s_alone_and_never_written_over(tmp_path):
    """A key that is replaced opens nothing any more."""
    file = tmp_path / "key.txt"
    write_private(file, "one\n")
    with pytest.raises(FileExistsError):
        write_private(file, "two\n")
    assert file.read_text() == "one\n"
    assert file.stat().st_mode & 0o777 == 0o600
    sync(file)
    sync(tmp_path)
