"""Pairs as JSON: one object a line, objects written over several lines, or an array of them.

We write `{"messages": [{"role": ..., "content": ...}, ...]}` a line, ending with the assistant's reply: the format that
fine-tuning tools share. It holds a pair's words whole, with all turns before the reply; who said them stays in the
store. `"origins"` says where the words of each message came from, unless all of them are an import.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from storage.files.encodings import open_text
from storage.files.json_rows import JsonRules, pair_of
from storage.files.json_values import LONGEST_VALUE, json_values
from storage.files.row_origins import origins_to_write
from storage.files.row_rules import BadRow, RowRefused
from storage.pair_records import NewPair, Pair

_CONTAINERS = ("data", "rows", "examples", "train", "pairs", "items")


def read(path: Path, rules: JsonRules) -> Iterator[NewPair | BadRow | None]:
    """Each row's pair, or why it is refused; None for a blank line."""
    with open_text(path, newline="\n") as file:
        by_line = _is_by_line(file)
        file.seek(0)
        for number, row in _lines(file) if by_line else _values(file):
            try:
                if row is None:
                    yield None
                elif isinstance(row, RowRefused):
                    raise row
                else:
                    yield pair_of(row, rules)
            except RowRefused as refusal:
                yield BadRow(number, str(refusal))


def write(file: IO[str], pairs: Iterable[Pair | NewPair]) -> int:
    """One line a pair; returns their number."""
    count = 0
    for pair in pairs:
        messages = [{"role": turn.role, "content": turn.content} for turn in pair.turns]
        messages.append({"role": "assistant", "content": pair.completion})
        origins = origins_to_write(pair)
        row = {"messages": messages} | ({"origins": origins} if origins else {})
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        count += 1
    return count


def first_row(path: Path) -> tuple[bool, object]:
    """Whether a file has a row a line, and its first row (None without one)."""
    with open_text(path, newline="\n") as file:
        by_line = _is_by_line(file)
        file.seek(0)
        rows = (row for _, row in (_lines(file) if by_line else _values(file)))
        return by_line, next((row for row in rows if row is not None and not isinstance(row, RowRefused)), None)


def _is_by_line(file: IO[str]) -> bool:
    """Whether a row is a whole line, so that a bad one does not cost the next: one of the first two must be."""
    seen = 0
    while seen < 2 and (line := file.readline(LONGEST_VALUE + 1)):
        seen += bool(line.strip())
        if seen == 1 and line.lstrip().startswith("["):
            return False
        row = _row(line)
        if isinstance(row, dict) and not _is_container(row) and not {"role", "from"} & row.keys():
            return True
        if seen == 1 and line.strip() and not line.lstrip().startswith("{"):
            return True
    return False


def _is_container(value: object) -> bool:
    """Whether an object holds nothing but a list of rows: `{"data": [...]}`."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((name, rows),) = value.items()
    return name in _CONTAINERS and isinstance(rows, list)


def _lines(file: IO[str]) -> Iterator[tuple[int, object]]:
    number = 0
    while line := file.readline(LONGEST_VALUE + 1):
        number += 1
        if len(line) > LONGEST_VALUE:
            part = line
            while part and not part.endswith("\n"):
                part = file.readline(LONGEST_VALUE)
            yield number, RowRefused(f"it has more than {LONGEST_VALUE:,} characters")
        else:
            yield number, _row(line) if line.strip() else None


def _row(line: str) -> object:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return RowRefused("it is broken JSON")
    return RowRefused('it has no "messages"') if row is None else row


def _values(file: IO[str]) -> Iterator[tuple[int, object]]:
    for number, value in json_values(file):
        for row in next(iter(value.values())) if isinstance(value, dict) and _is_container(value) else [value]:
            yield number, RowRefused('it has no "messages"') if row is None else row
