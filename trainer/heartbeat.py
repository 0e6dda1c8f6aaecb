"""The heartbeat of a training process: a thread that shows every few seconds that the run goes on.

A process that is stopped beats no more. Neither does one whose main thread has been at the same place for half an hour,
such as waiting for a device that is gone: the thread looks where the main thread is.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["heartbeat"]

_log = logging.getLogger(__name__)

_EVERY_S = 5.0
_STUCK_S = 1800.0


@contextmanager
def heartbeat(beat: Callable[[], None], *, every_s: float = _EVERY_S, stuck_s: float = _STUCK_S) -> Iterator[None]:
    """Call `beat` every `every_s` seconds while the thread that enters this moves at least once in `stuck_s`."""
    watched, over = threading.get_ident(), threading.Event()

    def callbacks() -> None:
        place, since = _place(watched), time.monotonic()
        while not over.wait(every_s):
            try:
                now = _place(watched)
                if now != place:
                    place, since = now, time.monotonic()
                if time.monotonic() - since < stuck_s:
                    beat()
            except Exception:  # noqa: BLE001 - a heart that stops would end a run that goes on
                _log.exception("The heartbeat missed a beat")

    thread = threading.Thread(target=callbacks, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _place(thread: int) -> list[tuple[int, int]]:
    """Which calls a thread is in, and at which instruction of each."""
    frame: FrameType | None = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way to look at a thread
    found = []
    while frame is not None:
        found.append((id(frame), frame.f_lasti))
        frame = frame.f_back
    return found
