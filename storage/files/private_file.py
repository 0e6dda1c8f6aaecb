"""Files that only their owner can read, written down to the disk. Knows bytes and paths, not what they hold."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["sync", "write_private"]


def write_private(file: Path, text: str) -> None:
    """Write ASCII to a new file that only its owner can read. Raises FileExistsError, OSError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
