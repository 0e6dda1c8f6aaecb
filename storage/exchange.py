"""Import and export of pairs as files, by the file's ending: `.jsonl` (or `.ndjson`) and `.csv` (or `.tsv`).

Reading never stops at a bad row; writing never leaves half a file. Knows the files, not the database.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from storage import jsonl, tables
from storage.errors import FileUnusable
from storage.records import NewPair, Pair
from storage.rows import BadRow, RowRules

__all__ = ["BadRow", "read_pairs", "write_pairs"]

_JSONL = (".jsonl", ".ndjson")
_TABLES = (".csv", ".tsv")


def read_pairs(
    path: Path,
    *,
    prompt_column: str | None = None,
    reply_column: str | None = None,
    append_signature: str = "",
    max_chars: int = 8000,
) -> Iterator[NewPair | BadRow]:
    """The file's pairs as they are read, and a BadRow for each row that is refused.

    Replies lose white space at their end and get `append_signature`, unless they end with it. No text may have more
    than `max_chars` characters. The column names are for tables only; without them common names are looked for.

    Raises:
        FileUnusable: at once, if the file cannot be read, has an unknown ending, or has no usable columns.
    """
    kind = _kind(path)
    rules = RowRules(append_signature, max_chars)
    try:
        with path.open("rb"):
            pass
        if kind in _JSONL:
            return jsonl.read(path, rules)
        return tables.read(path, tables.find_columns(path, prompt_column, reply_column), rules)
    except OSError as error:
        raise FileUnusable(path, f"cannot be read ({error.strerror}): check its name and rights") from error


def write_pairs(path: Path, pairs: Iterable[Pair | NewPair]) -> int:
    """Write pairs to a file, which appears whole or not at all; gives their number.

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
            count = jsonl.write(file, pairs) if kind in _JSONL else tables.write(file, pairs)
        partial.replace(path)
    except OSError as error:
        raise FileUnusable(path, f"cannot be written ({error.strerror}): check its folder and rights") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    return count


def _kind(path: Path) -> str:
    kind = path.suffix.casefold()
    if kind not in (*_JSONL, *_TABLES):
        raise FileUnusable(path, "has an ending that is not known: use .jsonl or .csv")
    return kind
