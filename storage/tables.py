"""Pairs as CSV: a prompt and a reply column, whatever common names they have.

A third column, written only for pairs with more than one turn, holds the turns before the prompt as JSON, so that an
export loses nothing. A stray quotation mark costs its own row, not the rest of the file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from storage.errors import FileUnusable
from storage.jsonl import check_turns
from storage.records import NewPair, Pair, Turn
from storage.rows import BadRow, RowRefused, RowRules

PROMPT_NAMES = ("prompt", "question", "comment", "input", "user", "instruction", "query")
REPLY_NAMES = ("reply", "response", "answer", "output", "assistant", "completion", "bot")
EARLIER = "earlier_messages"
_DELIMITERS = (",", ";", "\t")
# A quoted cell that has not ended after so many lines or characters will not: its quotation mark is a stray one.
_LONGEST_ROW_LINES = 2000
_LONGEST_ROW_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class Columns:
    """Where things stand in a row, by position from 0."""

    delimiter: str
    width: int
    prompt: int
    reply: int
    earlier: int | None


def read(path: Path, columns: Columns, rules: RowRules) -> Iterator[NewPair | BadRow]:
    """Each row's pair, or why it is refused; the header and blank rows are passed over."""
    with _open(path) as file:
        rows = _rows(file, columns.delimiter)
        next(rows, None)
        for number, cells in rows:
            if isinstance(cells, str):
                yield BadRow(number, cells)
            elif any(cell.strip() for cell in cells):
                try:
                    yield _pair(cells, columns, rules)
                except RowRefused as refusal:
                    yield BadRow(number, str(refusal))


def find_columns(path: Path, prompt_column: str | None, reply_column: str | None) -> Columns:
    """Where prompt and reply stand, by the header: the columns named, or those with a common name.

    Raises:
        FileUnusable: there is no such column, or more than one could be meant.
    """
    with _open(path) as file:
        first = file.readline()
        for delimiter in _DELIMITERS:
            file.seek(0)
            header = next(_rows(file, delimiter), (1, ""))[1]
            if isinstance(header, str):
                continue
            names = [name.strip().casefold() for name in header]
            prompt = _column(path, names, prompt_column, PROMPT_NAMES, "prompt")
            reply = _column(path, names, reply_column, REPLY_NAMES, "reply")
            if prompt is not None and reply is not None:
                if prompt == reply:
                    raise FileUnusable(path, "would have one column as both prompt and reply: name two different ones")
                earlier = names.index(EARLIER) if EARLIER in names else None
                return Columns(delimiter, len(names), prompt, reply, earlier)
    shown = first.strip()[:200].encode("ascii", "replace").decode() or "nothing"
    raise FileUnusable(
        path,
        f"has no usable columns (its first line is: {shown}): "
        "name those of the prompt and the reply with --prompt-column and --reply-column",
    )


def write(file: IO[str], pairs: Iterable[Pair | NewPair]) -> int:
    """A header and one row a pair; gives their number."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("prompt", "reply", EARLIER))
    count = 0
    for pair in pairs:
        earlier = [{"role": turn.role, "content": turn.content} for turn in pair.turns[:-1]]
        context = json.dumps(earlier, ensure_ascii=False) if earlier else ""
        writer.writerow((pair.turns[-1].content, pair.completion, context))
        count += 1
    return count


def _open(path: Path) -> IO[str]:
    # Bytes that are not UTF-8 become lone surrogates, which the rules find in the cell that holds them.
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _column(path: Path, names: Sequence[str], wanted: str | None, usual: Sequence[str], what: str) -> int | None:
    """Position of the column called `wanted`, else of the only one with a usual name."""
    accepted = usual if wanted is None else (wanted.strip().casefold(),)
    found = [position for position, name in enumerate(names) if name in accepted]
    if len(found) > 1:
        these = " and ".join(repr(names[position]) for position in found)
        raise FileUnusable(path, f"has {these}, either of which could be the {what}: name one with --{what}-column")
    return found[0] if found else None


def _rows(file: IO[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with its first line's number: its cells, or why it has none."""
    waiting: list[str] = []  # lines to be read again after a row that did not end
    number = 1
    while True:
        lines: list[str] = []
        chars = 0
        cells: list[str] | str = "a quotation mark in it is never closed"
        while len(lines) < _LONGEST_ROW_LINES and chars < _LONGEST_ROW_CHARS:
            line = waiting.pop(0) if waiting else file.readline()
            if not line:
                break
            lines.append(line)
            chars += len(line)
            if len(lines) > 1 and '"' not in line:  # it cannot end the cell that began above
                continue
            parsed = _parse(lines, delimiter)
            if parsed is not None:
                cells = parsed
                break
        if not lines:
            return
        yield number, cells
        if isinstance(cells, str):
            waiting = lines[1:] + waiting
            number += 1
        else:
            number += len(lines)


def _parse(lines: Sequence[str], delimiter: str) -> list[str] | str | None:
    """The cells of one row, why it has none, or None if a quoted cell goes on in the next line."""
    try:
        return next(csv.reader(lines, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if "unexpected end" in str(error):
            return None
        if "field larger" in str(error):
            return f"it has a cell of more than {csv.field_size_limit():,} characters"
        return "its quotation marks are broken (inside a quoted cell each is written twice)"


def _pair(cells: Sequence[str], columns: Columns, rules: RowRules) -> NewPair:
    if any(cell.strip() for cell in cells[columns.width :]):
        raise RowRefused(f"it has {len(cells)} cells where the header has {columns.width}: is a text not quoted?")
    if len(cells) <= max(columns.prompt, columns.reply):
        raise RowRefused(f"it has {len(cells)} cells where the header has {columns.width}: a column is missing")
    prompt = Turn("user", rules.text(cells[columns.prompt], "the prompt"))
    reply = rules.reply(cells[columns.reply], "the reply")
    return NewPair((*_earlier(cells, columns, rules), prompt), reply)


def _earlier(cells: Sequence[str], columns: Columns, rules: RowRules) -> tuple[Turn, ...]:
    if columns.earlier is None or len(cells) <= columns.earlier or not cells[columns.earlier].strip():
        return ()
    try:
        messages = json.loads(cells[columns.earlier])
    except (ValueError, RecursionError) as error:
        raise RowRefused(f"its {EARLIER} are broken JSON") from error
    return check_turns(messages, rules)
