"""One bot at a time on a home, or one for each shard: locks that the kernel releases when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from storage.errors import HomeOccupied, HomeUnwritable, ShardOccupied, ShardsDiffer
from storage.files.home import Home

__all__ = ["occupy"]

_LOCK = "bot.lock"
_TRIES, _PAUSE_S = 20, 0.05


def occupy(home: Home, count: int = 0, ids: Collection[int] = ()) -> AbstractContextManager[None]:
    """Hold the home: for this bot alone, or together with the processes of other shards.

    Args:
        home: the state directory.
        count: how many shards there are in all.
        ids: those of this process; none: it is alone.

    Raises:
        HomeOccupied: another bot runs on it.
        ShardOccupied, ShardsDiffer: another process has one of these shards, or counts another number of them.
        HomeUnwritable: a file cannot be made.
    """
    return _with_others(home, count, ids) if ids else _alone(home)


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """The file keeps the holder's process id, for the error."""
    with _opened(home, _LOCK) as descriptor:
        if not _locked(descriptor, fcntl.LOCK_EX):
            raise HomeOccupied(home.root, _number(descriptor))
        _write(descriptor, str(os.getpid()))
        yield


@contextmanager
def _with_others(home: Home, count: int, ids: Collection[int]) -> Iterator[None]:
    with ExitStack() as stack:
        shared = stack.enter_context(_opened(home, _LOCK))
        if _locked(shared, fcntl.LOCK_EX):
            _write(shared, f"{count} shards")  # the first one says how many there are
        for _ in range(_TRIES):  # the first one holds it alone for a moment
            if _locked(shared, fcntl.LOCK_SH):
                break
            time.sleep(_PAUSE_S)
        else:
            raise HomeOccupied(home.root, _number(shared))
        if (others := _number(shared)) != count:
            raise ShardsDiffer(home.root, others, count)
        for one in ids:
            descriptor = stack.enter_context(_opened(home, f"bot-shard-{one}.lock"))
            if not _locked(descriptor, fcntl.LOCK_EX):
                raise ShardOccupied(home.root, one, _number(descriptor))
            _write(descriptor, str(os.getpid()))
        yield


@contextmanager
def _opened(home: Home, name: str) -> Iterator[int]:
    try:
        descriptor = os.open(home.root / name, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise HomeUnwritable(home.root, error.strerror or "it cannot be written") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, text: str) -> None:
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, text.encode(), 0)


def _number(descriptor: int) -> int | None:
    """The number that a lock file begins with: of a process, or of shards."""
    text = os.pread(descriptor, 20, 0).decode(errors="replace").partition(" ")[0].strip()
    return int(text) if text.isdigit() else None
