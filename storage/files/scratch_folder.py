"""Folders in the home for a backup's files while it is made or restored; one that a killed process left is removed.

They hold everybody's words, so none may stay behind. A process that uses one shares a lock on the home. One that gets
that lock alone knows that every such folder is abandoned.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["scratch_folder", "sweep"]

_LOCK = "backup.lock"
_PREFIXES = (".backup-", ".restore-")


@contextmanager
def scratch_folder(root: Path, prefix: str) -> Iterator[Path]:
    """A folder in the home `root` for this block; `prefix` is one of those that `sweep` knows. Raises OSError."""
    if prefix not in _PREFIXES:
        raise ValueError(f"a folder with {prefix} would never be swept")
    descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        with tempfile.TemporaryDirectory(dir=root, prefix=prefix) as name:
            yield Path(name)
    finally:
        os.close(descriptor)


def sweep(root: Path) -> None:
    """Remove what killed processes left in the home, unless somebody makes or restores a backup now."""
    left = [path for prefix in _PREFIXES for path in root.glob(f"{prefix}*")]
    if not left:
        return
    with contextlib.suppress(OSError):  # the lock is taken, or this user may not write here
        descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in left:
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)
