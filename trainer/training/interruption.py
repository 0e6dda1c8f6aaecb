"""Being asked to stop while training: a signal is noted, the step is finished, a checkpoint is written. No torch."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interruption"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """While entered, SIGTERM and SIGINT set `asked` instead of ending the process; a later second one does end it.

    Ctrl-C in a terminal reaches a child twice, by itself and from its parent: signals within `grace_s` seconds are one
    request. Outside the main thread, where Python takes no signals, nothing is changed.
    """

    def __init__(self, grace_s: float = 3.0) -> None:
        self.asked = False
        self._grace_s = grace_s
        self._since = 0.0
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked, self._since = True, time.monotonic()
        elif time.monotonic() - self._since >= self._grace_s:
            signal.default_int_handler(number, frame)
