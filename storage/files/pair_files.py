"""Import and export of pairs as files: `.jsonl` (or `.ndjson`, `.json`) and `.csv` (or `.tsv`).

What is read goes by what the file holds, so that a JSON file called .csv is read too. Reading never stops at a bad row;
writing never leaves half a file. Knows the files, not the database.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from storage.errors import FileUnusable
from storage.files import csv_file, jsonl
from storage.files.discord_export import ExportKind, Speaker, export_kind, find_speaker, messages, speakers
from storage.files.encodings import open_text
from storage.files.json_rows import JsonRules
from storage.files.row_rules import BadRow, RowRules
from storage.files.voice_pairs import Names, VoiceRules, in_order, pairs_of
from storage.pair_records import NewPair, Pair

__all__ = ["BadRow", "holds_json", "read_pairs", "read_voice", "write_pairs"]

_JSON = (".jsonl", ".ndjson", ".json")
_CSV = (".csv", ".tsv")
_SPREADSHEETS = (".xlsx", ".xls", ".ods", ".numbers")
_PAGES = (".html", ".htm")  # as DiscordChatExporter writes them unless it is told otherwise
_HEAD = 4096


def read_pairs(
    path: Path,
    *,
    prompt_column: str | None = None,
    reply_column: str | None = None,
    append_signature: str = "",
    max_chars: int = 8000,
    max_rows: int | None = None,
) -> Iterator[NewPair | BadRow]:
    """The file's pairs as they are read, and a BadRow for each row that is refused.

    Replies lose white space at their end and get `append_signature`, unless they end with it. No text may have more
    than `max_chars` characters. Without column names, common ones are looked for. Time and memory are bounded by the
    file's length, whatever it holds.

    Raises:
        FileUnusable: at once, if the file cannot be read, has an unknown ending, or has no usable columns; while it is
            read, if it has more than `max_rows` rows, blank ones included.
    """
    _kind(path)
    rules = RowRules(append_signature, max_chars)
    try:
        if (kind := export_kind(path)) is not None:
            find_speaker(path, speakers(path, kind), None)
        json_rules = JsonRules(rules, prompt_column, reply_column)
        rows = (
            jsonl.read(path, json_rules)
            if holds_json(path)
            else csv_file.read(path, csv_file.find_columns(path, prompt_column, reply_column), rules)
        )
    except OSError as error:
        raise FileUnusable(path, f"cannot be read ({error.strerror}): check its name and rights") from error
    return _counted(path, rows, max_rows)


def read_voice(
    path: Path, kind: ExportKind, voice: Speaker, *, names: Names, append_signature: str = "", max_chars: int = 8000
) -> Iterator[NewPair | BadRow]:
    """The pairs of a Discord export in which `voice` answers, as they are read; see `read_pairs` for the rest."""
    asked = VoiceRules(voice.id, names, RowRules(append_signature, max_chars))
    return pairs_of(in_order(messages(path, kind)), asked)


def _counted(path: Path, rows: Iterable[NewPair | BadRow | None], most: int | None) -> Iterator[NewPair | BadRow]:
    for count, row in enumerate(rows, start=1):
        if most is not None and count > most:
            raise FileUnusable(path, f"has more than {most:,} rows: divide it into several files", kind="rows")
        if row is not None:
            yield row


def write_pairs(path: Path, pairs: Iterable[Pair | NewPair]) -> int:
    """Write pairs to a file, which appears whole or not at all; returns their number.

    Raises:
        FileUnusable: the ending is unknown or the file cannot be written.
    """
    kind = _kind(path)
    partial: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            partial = Path(file.name)
            count = jsonl.write(file, pairs) if kind in _JSON else csv_file.write(file, pairs)
        partial.replace(path)
    except OSError as error:
        raise FileUnusable(path, f"cannot be written ({error.strerror}): check its folder and rights") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    return count


def _kind(path: Path) -> str:
    kind = path.suffix.casefold()
    if kind in _SPREADSHEETS and path.is_file():
        with open_text(path, newline=""):  # says what to do with a real one
            pass
    if kind in _PAGES:
        raise FileUnusable(path, "is a page to read, not data: export the conversation again as JSON or CSV")
    if kind not in (*_JSON, *_CSV):
        raise FileUnusable(path, "has an ending that is not known: use .jsonl or .csv")
    return kind


def holds_json(path: Path) -> bool:
    """Whether the file is read as JSON: by how it begins, whatever it is called."""
    with open_text(path, newline="") as file:
        head = file.read(_HEAD).lstrip()
    if path.suffix.casefold() in _CSV:
        return re.match(r'\{\s*"|\[\s*[{\]]', head) is not None
    if not head or head[0] in "{[":
        return True
    try:
        csv_file.find_columns(path, None, None)
    except FileUnusable:
        return True  # whose rows are refused one by one
    return False
