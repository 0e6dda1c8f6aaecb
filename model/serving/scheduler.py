"""Which request is answered in which row: the queue, admission, and the gap that an ended row leaves.

Host state only. No thread, no lock and no tensors: the worker locks around it and the decoder moves the rows.
"""

from __future__ import annotations

from typing import NamedTuple

from model.serving.generation import Generation
from model.serving.queue import FairQueue
from model.serving.row import Row

__all__ = ["Scheduler", "Waiting"]


class Waiting(NamedTuple):
    """A request in the queue, and when it was submitted."""

    generation: Generation
    submitted: float


class Scheduler:
    """The queue and the rows in use.

    Attributes:
        rows: decoding rows first; at most one prefilling row, last.
    """

    def __init__(self, max_queue: int) -> None:
        self.rows: list[Row] = []
        self._queue: FairQueue[Waiting] = FairQueue(max_queue)
        self._waiting: dict[Generation, Waiting] = {}

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    @property
    def prefilling(self) -> Row | None:
        """The row whose prompt is being computed."""
        return self.rows[-1] if self.rows and self.rows[-1].prefilling else None

    @property
    def decoding(self) -> list[Row]:
        """The rows that get a token with the next step."""
        return [row for row in self.rows if not row.prefilling]

    def submit(self, generation: Generation, now: float) -> None:
        """Queue a request. Raises QueueFull."""
        entry = Waiting(generation, now)
        self._queue.push(generation.channel, entry)
        self._waiting[generation] = entry

    def position(self, generation: Generation) -> int:
        """The request's position in the queue, from 1; 0 when it is not waiting."""
        entry = self._waiting.get(generation)
        return self._queue.position(entry, self._busy()) if entry else 0

    def withdraw(self, generation: Generation) -> Waiting | None:
        """Take a request out of the queue; None when it is not waiting."""
        entry = self._waiting.pop(generation, None)
        if entry is not None:
            self._queue.remove(entry)
        return entry

    def next_request(self, rows: int) -> Waiting | None:
        """Take the next request from the queue; None while all `rows` are in use or a prompt is being computed."""
        if len(self.rows) >= rows or self.prefilling is not None:
            return None
        entry = self._queue.pop(self._busy())
        if entry is not None:
            del self._waiting[entry.generation]
        return entry

    def start(self, row: Row) -> int:
        """Put a request in the next free row; returns the row's index."""
        self.rows.append(row)
        return len(self.rows) - 1

    def moves(self, row: Row) -> list[tuple[int, int]]:
        """(source, target) of the rows that close the gap when `row` ends: decoding rows stay first."""
        index, decoding, last = self.rows.index(row), len(self.decoding), len(self.rows) - 1
        if index >= decoding:
            return []
        return [(source, gap) for gap, source in ((index, decoding - 1), (decoding - 1, last)) if gap < source]

    def remove(self, row: Row) -> None:
        """End a row, after the decoder made its `moves`."""
        for source, target in self.moves(row):
            self.rows[target] = self.rows[source]
        self.rows.pop()

    def drain(self) -> tuple[list[Row], list[Waiting]]:
        """Take out every row and every waiting request."""
        rows, waiting = list(self.rows), self._queue.drain()
        self.rows.clear()
        self._waiting.clear()
        return rows, waiting

    def _busy(self) -> list[str]:
        return [row.generation.channel for row in self.rows]
