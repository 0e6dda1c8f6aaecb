"""Pairs as CSV: a prompt and a reply column, whatever common names they have.

A third column, written only for pairs with more than one turn, holds the turns before the prompt as JSON, so that an
export loses nothing. What a spreadsheet would take for a formula is written with an apostrophe before it, as
spreadsheets do, and read without.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from storage.errors import FileUnusable
from storage.files.column_names import (
    PROMPT_NAMES,
    REPLY_NAMES,
    SYSTEM_NAMES,
    Ambiguous,
    beside_prompt,
    find_name,
    instead_of,
    plain_name,
)
from storage.files.csv_rows import DELIMITERS, csv_rows
from storage.files.encodings import open_text
from storage.files.json_rows import author_of, check_turns
from storage.files.row_origins import named_origins, origins_to_write, with_origins
from storage.files.row_rules import BadRow, RowRefused, RowRules
from storage.pair_records import NewPair, Pair
from storage.reply_records import Turn

EARLIER = "earlier_messages"
_AUTHOR = plain_name("author_id")
ORIGINS = "origins"
_HEADER = ["prompt", "reply", EARLIER, ORIGINS]
_SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)\s*")
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a row, by position from 0.

    Attributes:
        beside: columns that belong to the prompt, as an instruction's input.
        system: the column of a system prompt.
        skipped: rows before the first pair.
        ours: the file is an export of ours, whose formulas are marked.
        author: the column `author_id`: who said the prompt.
        origins: the column of where the words of each message came from.
    """

    delimiter: str
    width: int
    prompt: int
    reply: int
    earlier: int | None
    beside: tuple[int, ...] = ()
    system: int | None = None
    skipped: int = 1
    ours: bool = False
    author: int | None = None
    origins: int | None = None


def read(path: Path, columns: Columns, rules: RowRules) -> Iterator[NewPair | BadRow | None]:
    """Each row's pair, or why it is refused; the header is passed over, and None stands for a blank row."""
    with open_text(path, newline="") as file:
        rows = csv_rows(file, columns.delimiter)
        for _ in range(columns.skipped):
            next(rows, None)
        for number, cells in rows:
            if isinstance(cells, str):
                yield BadRow(number, cells)
            elif any(cell.strip() for cell in cells):
                try:
                    yield _pair([_unmarked(cell) for cell in cells] if columns.ours else cells, columns, rules)
                except RowRefused as refusal:
                    yield BadRow(number, str(refusal))
            else:
                yield None


def find_columns(path: Path, prompt_column: str | None, reply_column: str | None) -> Columns:
    """The columns of prompt and reply, by the header: the columns named, or those with a common name.

    Raises:
        FileUnusable: there is no such column, or more than one could be meant.
    """
    with open_text(path, newline="") as file:
        first = file.readline(1000)
        named = _SEPARATOR_LINE.fullmatch(first)
        for delimiter in (named[1],) if named else DELIMITERS:
            file.seek(0)
            rows = csv_rows(file, delimiter)
            if named:
                next(rows, None)
            header = next(rows, (1, ""))[1]
            if isinstance(header, str):
                continue
            prompt = _column(path, header, instead_of(prompt_column, header), PROMPT_NAMES, "prompt")
            reply = _column(path, header, reply_column, REPLY_NAMES, "reply")
            if prompt is not None and reply is not None:
                return _columns(path, header, delimiter, (prompt, reply), skipped=2 if named else 1)
    shown = first.strip()[:200].encode("ascii", "replace").decode() or "nothing"
    raise FileUnusable(
        path,
        f"has no usable columns (its first line is: {shown}): "
        "name those of the prompt and the reply with --prompt-column and --reply-column",
        kind="columns",
    )


def header(path: Path, columns: Columns) -> Sequence[str]:
    """The names of a file's columns."""
    with open_text(path, newline="") as file:
        rows = csv_rows(file, columns.delimiter)
        found = [next(rows, (1, ""))[1] for _ in range(columns.skipped)][-1]
    return [] if isinstance(found, str) else found


def _columns(path: Path, header: Sequence[str], delimiter: str, found: tuple[int, int], *, skipped: int) -> Columns:
    prompt, reply = found
    if prompt == reply:
        raise FileUnusable(
            path, "would have one column as both prompt and reply: name two different ones", kind="columns"
        )
    names = [plain_name(name) for name in header]
    earlier = names.index(plain_name(EARLIER)) if plain_name(EARLIER) in names else None
    together = beside_prompt(header)
    beside = [position for position, name in enumerate(names) if name in together and position not in found]
    system = next((position for position, name in enumerate(names) if name in SYSTEM_NAMES), None)
    ours = [name.strip().casefold() for name in header] in (_HEADER, _HEADER[:-1])  # as earlier versions wrote it
    author = names.index(_AUTHOR) if _AUTHOR in names else None
    origins = names.index(ORIGINS) if ORIGINS in names else None
    return Columns(delimiter, len(names), prompt, reply, earlier, tuple(beside), system, skipped, ours, author, origins)


def write(file: IO[str], pairs: Iterable[Pair | NewPair]) -> int:
    """A header and one row a pair; returns their number."""
    # Before Python 3.13 a lone carriage return is not quoted by itself.
    writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(_HEADER)
    count = 0
    for pair in pairs:
        earlier = [{"role": turn.role, "content": turn.content} for turn in pair.turns[:-1]]
        context = json.dumps(earlier, ensure_ascii=False) if earlier else ""
        origins = " ".join(origins_to_write(pair))
        writer.writerow([_marked(cell) for cell in (pair.turns[-1].content, pair.completion, context, origins)])
        count += 1
    return count


def _column(path: Path, header: Sequence[str], wanted: str | None, usual: frozenset[str], what: str) -> int | None:
    """Position of the column called `wanted`, else of the only one with a usual name."""
    try:
        return find_name(header, wanted, usual)
    except Ambiguous as found:
        these = f"{found.first.strip()!r} and {found.second.strip()!r}"
        why = f"has {these}, either of which could be the {what}: name one with --{what}-column"
        raise FileUnusable(path, why, kind="columns") from found


def _pair(cells: Sequence[str], columns: Columns, rules: RowRules) -> NewPair:
    if any(cell.strip() for cell in cells[columns.width :]):
        raise RowRefused(f"it has {len(cells)} cells where the header has {columns.width}: is a text not quoted?")
    if len(cells) <= max(columns.prompt, columns.reply):
        raise RowRefused(f"it has {len(cells)} cells where the header has {columns.width}: a column is missing")
    parts = [rules.text(cells[columns.prompt], "the prompt")]
    parts += [cells[at] for at in columns.beside if at < len(cells) and cells[at].strip()]
    author = cells[columns.author] if columns.author is not None and columns.author < len(cells) else None
    prompt = Turn("user", rules.text("\n\n".join(parts), "the prompt"), author_of(author))
    reply = rules.reply(cells[columns.reply], "the reply")
    pair = NewPair((*_earlier(cells, columns, rules), prompt), reply)
    named = cells[columns.origins] if columns.origins is not None and columns.origins < len(cells) else ""
    return with_origins(pair, named_origins(named, len(pair.turns) + 1)) if named.strip() else pair


def _earlier(cells: Sequence[str], columns: Columns, rules: RowRules) -> tuple[Turn, ...]:
    if columns.system is not None and columns.system < len(cells) and cells[columns.system].strip():
        return (Turn("system", rules.text(cells[columns.system], '"system"')),)
    if columns.earlier is None or len(cells) <= columns.earlier or not cells[columns.earlier].strip():
        return ()
    try:
        messages = json.loads(cells[columns.earlier])
    except (ValueError, RecursionError) as error:
        raise RowRefused(f"its {EARLIER} are broken JSON") from error
    return check_turns(messages, rules)


def _marked(cell: str) -> str:
    """A cell that no spreadsheet computes."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _unmarked(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
