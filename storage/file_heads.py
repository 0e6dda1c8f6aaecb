"""The first bytes of a database, read without touching the locks that this process has on it.

Closing any descriptor of a file drops all POSIX locks that the process has on that file, SQLite's among them
(https://www.sqlite.org/howtocorrupt.html, 2.2). Another process then takes itself for the last user of the database,
and removes the write-ahead log that is still written to. So a file that is open here is read by the descriptor that
there is.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["head_of"]

_OPEN = Path("/proc/self/fd")


def head_of(path: Path, size: int) -> bytes:
    """The first `size` bytes of a file, fewer where it is shorter. Raises OSError."""
    found = _of_open_file(path, size)
    if found is not None:
        return found
    with path.open("rb") as file:
        return file.read(size)


def _of_open_file(path: Path, size: int) -> bytes | None:
    """The same by a descriptor that this process has of the file; None where it has none."""
    wanted = path.stat()
    for entry in sorted(_OPEN.iterdir()) if _OPEN.is_dir() else ():
        # Another thread may close it at any moment, and then the number may stand for another file.
        with contextlib.suppress(OSError):
            number = int(entry.name)
            if os.path.samestat(os.fstat(number), wanted):
                read = os.pread(number, size, 0)
                if os.path.samestat(os.fstat(number), wanted):
                    return read
    return None
