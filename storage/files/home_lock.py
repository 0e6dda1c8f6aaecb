"""One bot at a time on a home: an advisory lock on a file, which the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from storage.errors import HomeOccupied, HomeUnwritable
from storage.files.home import Home

_LOCK = "bot.lock"


@contextmanager
def occupy(home: Home) -> Iterator[None]:
    """Hold the home for this bot. The file keeps the holder's process id, for the error.

    Raises:
        HomeOccupied: another bot runs on it.
        HomeUnwritable: the file cannot be made.
    """
    try:
        descriptor = os.open(home.root / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise HomeUnwritable(home.root, error.strerror or "it cannot be written") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeOccupied(home.root, _holder(descriptor)) from None
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
    return int(text) if text.isdigit() else None
