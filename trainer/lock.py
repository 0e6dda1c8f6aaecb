"""One training run at a time: an advisory lock on a file, which the kernel lets go of when its holder dies.

The file says who holds it (a process id) and when the holder last showed that it goes on, in seconds of the machine's
monotonic clock, which no setting of the time moves and which all processes share.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import RunBusy

__all__ = ["SILENCE_S", "Holder", "end", "holder_of", "run_lock"]

SILENCE_S = 60.0
"""A trainer that has given no sign for so long hangs: it gives one every few seconds."""
_TRIES, _PAUSE_S = 5, 0.1
_WIDTH = 64


@dataclass(frozen=True)
class Holder:
    """The process that holds the lock. `pid` is None and `silent_s` 0 where the file does not say."""

    pid: int | None
    silent_s: float = 0.0

    @property
    def hangs(self) -> bool:
        """Whether it has given no sign for too long."""
        return self.silent_s > SILENCE_S


@contextmanager
def run_lock(path: Path) -> Iterator[Callable[[], None]]:
    """Hold the lock, or raise RunBusy at once; returns a function that shows that the holder is still at work.

    A holder that hangs is ended first: its run goes on from its last checkpoint.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def beat() -> None:
        with suppress(OSError):
            os.pwrite(descriptor, f"{os.getpid()} {time.monotonic():.1f}".ljust(_WIDTH).encode(), 0)

    try:
        _take(descriptor)
        beat()
        yield beat
    finally:
        os.close(descriptor)


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock at this moment; None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    else:
        return None
    finally:
        os.close(descriptor)


def end(holder: Holder, how: signal.Signals) -> bool:
    """Send a training process a signal, also where it was stopped; False when it is none (any more)."""
    if holder.pid is None or not _is_trainer(holder.pid):
        return False
    try:
        os.kill(holder.pid, how)
        os.kill(holder.pid, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _take(descriptor: int) -> None:
    for attempt in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(descriptor)
            if holder.hangs and attempt == 0:
                end(holder, signal.SIGKILL)
            time.sleep(_PAUSE_S)  # somebody may be looking, which takes a moment
        else:
            return
    raise RunBusy(_read(descriptor).pid)


def _read(descriptor: int) -> Holder:
    words = os.pread(descriptor, _WIDTH, 0).decode(errors="replace").split()
    try:
        return Holder(int(words[0]), max(0.0, time.monotonic() - float(words[1])))
    except (IndexError, ValueError):
        return Holder(None)


def _is_trainer(pid: int) -> bool:
    """Whether a process is a trainer: its number may be another's by now, or in another container."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return not Path("/proc/self").exists()  # no way to know on this system
    return b"trainer" in command or any(part.endswith(b"trainer/__main__.py") for part in command)
