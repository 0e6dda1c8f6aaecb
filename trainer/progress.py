"""How a run shows itself on stderr: a bar in a terminal, a line now and then elsewhere. Knows nothing of training."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol, Self

__all__ = ["Bar", "Lines", "Progress", "for_stderr"]


class Progress(Protocol):
    """What a run tells its caller."""

    def say(self, line: str) -> None:
        """A sentence worth keeping."""
        ...

    def step(self, done: int, total: int, note: str) -> None:
        """How far training has come, in optimizer steps, with the latest figures."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines:
    """Plain lines, at most one progress line each `every` seconds: for a log or another process."""

    def __init__(self, every: float = 5.0) -> None:
        self._every = every
        self._last = 0.0

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - stderr is what this is for

    def step(self, done: int, total: int, note: str) -> None:
        if done == total or time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            self.say(f"step {done}/{total}: {note}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Bar:
    """A bar with the time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("training", total=None, note="", visible=False)

    def say(self, line: str) -> None:
        self._bar.console.print(line, markup=False, highlight=False)

    def step(self, done: int, total: int, note: str) -> None:
        self._bar.update(self._task, completed=done, total=total, note=note, visible=True)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def for_stderr() -> Progress:
    """A bar when a person looks at stderr, lines otherwise."""
    return Bar() if sys.stderr.isatty() else Lines()
