"""Rows of a CSV file, one after the other, in time that grows with the file's length whatever is in it.

A stray quotation mark costs its own row, not the rest of the file. Knows cells, not pairs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import IO

__all__ = ["DELIMITERS", "csv_rows"]

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars (|)"}
"""What may stand between two cells, the likeliest first, and what it is called."""

# A quoted cell that has not ended after so many lines or characters will not: its quotation mark is a stray one.
_LONGEST_QUOTED_LINES = 2000
_LONGEST_QUOTED_CHARS = 100_000
_LONGEST_LINE = 1_000_000
_LONGEST_CELL = 131_072
_MOST_CELLS = 1000
# Rows over several lines that turned out broken have lines read twice.
_MOST_RETRIES = 20_000
_MOST_LINES_AGAIN, _MOST_CHARS_AGAIN = 1_000_000, 200_000_000
_NEVER_CLOSED = "a quotation mark in it is never closed"
_BROKEN = "its quotation marks are broken (inside a quoted cell each is written twice)"
_GIVEN_UP = "too many quotation marks are broken, so the rest of the file is not read: save it as CSV once more"


def csv_rows(file: IO[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with its first line's number, from 1: its cells, or why it has none."""
    lines = _Lines(file)
    number, retries, lines_again, chars_again = 1, 0, 0, 0
    while True:
        read, found = _next_row(lines, delimiter)
        if not read:
            return
        yield number, found
        if isinstance(found, str) and len(read) > 1:
            lines.give_back(read[1:])
            number, retries = number + 1, retries + 1
            lines_again, chars_again = lines_again + len(read), chars_again + sum(map(len, read))
            if retries > _MOST_RETRIES or lines_again > _MOST_LINES_AGAIN or chars_again > _MOST_CHARS_AGAIN:
                yield number, _GIVEN_UP
                return
        else:
            number += len(read)


class _Lines:
    """Lines of bounded length, some of which are read again."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._waiting: deque[str] = deque()

    def next(self) -> str:
        """The next line with its end, "" at the end of the file; of one that is too long only the beginning."""
        if self._waiting:
            return self._waiting.popleft()
        line = part = self._file.readline(_LONGEST_LINE + 1)
        while len(part) > _LONGEST_LINE and not part.endswith(("\n", "\r")):
            part = self._file.readline(_LONGEST_LINE + 1)
        return line

    def give_back(self, lines: list[str]) -> None:
        self._waiting.extendleft(reversed(lines))


def _next_row(lines: _Lines, delimiter: str) -> tuple[list[str], list[str] | str]:
    """The lines of the next row, and its cells or why it has none."""
    read: list[str] = []
    row, chars = _Row(delimiter), 0
    while len(read) < _LONGEST_QUOTED_LINES and chars < _LONGEST_QUOTED_CHARS:
        line = lines.next()
        if not line:
            break
        read.append(line)
        chars += len(line)
        if len(line) > _LONGEST_LINE:
            return read, f"it has more than {_LONGEST_LINE:,} characters"
        ended = row.feed(line)
        if row.problem:
            return read, row.problem
        if ended:
            return read, row.cells
    return read, _NEVER_CLOSED


class _Row:
    """One row in the making."""

    def __init__(self, delimiter: str) -> None:
        self.cells: list[str] = []
        self.problem = ""
        self._delimiter = delimiter
        self._quoted: list[str] | None = None  # parts of a quoted cell that has not ended

    def feed(self, line: str) -> bool:
        """Take a line; true when the row ends with it, or is broken."""
        end = len(line) - (2 if line.endswith("\r\n") else line.endswith(("\n", "\r")))
        at: int | None = 0
        while at is not None:
            if self._quoted is not None:
                at = self._end_of_quoted(line, at)
                if at is None:
                    return False
                if at >= end or self.problem:
                    return True
                at += 1
            at = self._cell(line, at, end)
        return True

    def _end_of_quoted(self, line: str, at: int) -> int | None:
        """Continue a quoted cell; returns where it ends, None if it does not end in this line."""
        parts = self._quoted or []
        while (mark := line.find('"', at)) >= 0:
            if not line.startswith('"', mark + 1):
                parts.append(line[at:mark])
                self._add("".join(parts))
                self._quoted = None
                after = line[mark + 1 : mark + 2]
                if after not in ("", "\n", "\r", self._delimiter):
                    self.problem = _BROKEN
                return mark + 1
            parts.append(line[at : mark + 1])
            at = mark + 2
        parts.append(line[at:])
        self._quoted = parts
        return None

    def _cell(self, line: str, at: int, end: int) -> int | None:
        """Read a cell from its first sign; returns where the next begins, None if it was the last or is quoted."""
        if line.startswith('"', at) and at < end:
            self._quoted = []
            return at + 1
        stop = line.find(self._delimiter, at, end)
        self._add(line[at : end if stop < 0 else stop])
        return None if stop < 0 or self.problem else stop + 1

    def _add(self, cell: str) -> None:
        self.cells.append(cell)
        if len(cell) > _LONGEST_CELL:
            self.problem = f"it has a cell of more than {_LONGEST_CELL:,} characters"
        elif len(self.cells) > _MOST_CELLS:
            self.problem = f"it has more than {_MOST_CELLS:,} cells"
