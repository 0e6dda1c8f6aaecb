"""A file in the home by which another process sees that the bot is well: `nightshift health`, a container's check.

The event loop writes it every few seconds. It is old when the loop hangs, and it holds why the engine answers nothing.
Whether Discord is connected is noted too, but a restart would not mend that: discord.py connects again by itself.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

__all__ = ["Health", "HealthFile", "read_health"]

_EVERY_S = 10.0
_OLD_S = 60.0


@dataclass(frozen=True, slots=True)
class Health:
    """How a bot was at the time `written_s`, in seconds of this machine's monotonic clock."""

    pid: int
    written_s: float
    connected: bool
    failure: str = ""
    """Why the engine answers nothing; empty while it works."""
    asleep: bool = False
    """Whether the engine has given its memory to a training run: requests wait."""

    @classmethod
    def now(cls, *, connected: bool, failure: str, asleep: bool) -> Self:
        """How this process is at this moment."""
        return cls(os.getpid(), time.monotonic(), connected, failure, asleep)

    def complaint(self, now_s: float) -> str | None:
        """Why the bot is not well, as a sentence; None while it is."""
        age = now_s - self.written_s
        if not 0 <= age <= _OLD_S:
            return f"The bot (process {self.pid}) has given no sign of life for {_OLD_S:.0f} s."
        return self.failure or None

    def obstacle(self, now_s: float) -> str | None:
        """Why a question would not be answered at once, as a sentence; None where it would."""
        if complaint := self.complaint(now_s):
            return complaint
        if not self.connected:
            return "Discord is not connected."
        return "The engine sleeps while a training run has the GPU." if self.asleep else None


class HealthFile:
    """Writes the file while a bot runs; `ask` says how it is at the moment."""

    def __init__(self, path: Path, ask: Callable[[], Health]) -> None:
        from discord.ext import tasks  # here, so that `nightshift health` answers at once

        self._path, self._ask = path, ask
        self._loop = tasks.loop(seconds=_EVERY_S)(self._write)

    def start(self) -> None:
        """Write it now and every few seconds. Needs a running event loop."""
        self._loop.start()

    def stop(self) -> None:
        """Stop, and take the file away: a bot that has ended is not well."""
        self._loop.cancel()
        self._path.unlink(missing_ok=True)

    async def _write(self) -> None:
        health = self._ask()
        scratch = self._path.with_suffix(".new")
        try:
            scratch.write_text(json.dumps(asdict(health)), encoding="utf-8")
            scratch.replace(self._path)
        except OSError:  # a full disk is told elsewhere; the file grows old, which is the truth
            return


def read_health(path: Path) -> Health | None:
    """What a bot wrote last into its file; None where none runs, or the file is not one of ours."""
    try:
        return Health(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
