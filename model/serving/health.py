"""Whether the engine can go on after an error, and whether its thread is stuck. Plain decisions; knows no model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from model.device_errors import breaks_device, is_out_of_memory

__all__ = ["Health"]

_MOST_FAILURES = 3  # of one kind of step, with none between them that went well
_STUCK_S = 900.0  # a prompt chunk of the largest models takes minutes on a CPU


class Health:
    """What went wrong lately, and since when the thread has been in one round of steps."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: Counter[str] = Counter()
        self._since: float | None = None

    def began(self) -> None:
        """The thread begins a round."""
        self._since = self._clock()

    def ended(self) -> None:
        """The round is over."""
        self._since = None

    def went_well(self, step: str) -> None:
        """A step of this kind did what it should."""
        self._failures.pop(step, None)

    def is_fatal(self, step: str, error: BaseException) -> bool:
        """Whether nothing will work any more after `error`.

        An error of the CUDA device makes every later call fail too. Running out of memory ends the replies concerned
        and nothing else. Of any other error, the third in a row in steps of one kind.
        """
        if is_out_of_memory(error):
            return False
        self._failures[step] += 1
        return self._failures[step] >= _MOST_FAILURES or breaks_device(error)

    @property
    def stuck(self) -> bool:
        """Whether a round has been going on for longer than any takes."""
        since = self._since
        return since is not None and self._clock() - since > _STUCK_S
