"""Files of text as people have them: which encoding, and which are no text at all. Knows no format of pairs."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import IO

from storage.errors import FileUnusable

__all__ = ["damaged", "decoded", "encoding_of", "open_text"]

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SPREADSHEET = "is a spreadsheet or another packed file, not text: open it and save it as CSV (UTF-8)"
_COMPRESSED = "is compressed: unpack it first"
_NO_TEXT = "is no text file: save it as .csv or .jsonl"
_PACKED = (
    (b"PK\x03\x04", _SPREADSHEET),  # .xlsx, .ods, .numbers, .zip
    (b"\xd0\xcf\x11\xe0", _SPREADSHEET),  # .xls
    (b"\x1f\x8b", _COMPRESSED),
    (b"BZh", _COMPRESSED),
    (b"\xfd7zXZ", _COMPRESSED),
    (b"(\xb5/\xfd", _COMPRESSED),
    (b"PAR1", _NO_TEXT),
    (b"%PDF", _NO_TEXT),
    (b"SQLite format 3", _NO_TEXT),
)
_HEAD = 4096
_MARK = "\udcff"  # half of a surrogate pair: no valid text holds one


def open_text(path: Path, *, newline: str) -> IO[str]:
    """Open a file in UTF-8, UTF-16 or UTF-32; bytes that are not become lone surrogates (see `damaged`).

    Raises FileUnusable for what is no text, OSError.
    """
    if path.exists() and not path.is_file():
        raise FileUnusable(path, "is no file")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    for magic, why in _PACKED:
        if head.startswith(magic):
            raise FileUnusable(path, why, kind="packed")
    encoding = _encoding(head)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "nightshift.mark"
    codecs.register_error("nightshift.mark", _marked)
    return path.open(encoding=encoding, errors=errors, newline=newline)


def encoding_of(path: Path) -> str:
    """The encoding in which `open_text` reads a file, by the name that people know. Raises OSError."""
    with path.open("rb") as file:
        return _encoding(file.read(_HEAD)).upper().removesuffix("-SIG").removesuffix("-LE").removesuffix("-BE")


def decoded(data: bytes) -> str:
    """A text whose encoding nobody says: Unicode where it is valid, else Windows-1252.

    Raises ValueError for what is no text.
    """
    if any(data.startswith(magic) for magic, _ in _PACKED):
        raise ValueError("it is packed, or no text")
    try:
        return data.decode(_encoding(data[:_HEAD]))
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def damaged(text: str) -> bool:
    """Whether bytes of the text were in no valid encoding."""
    return any("\udc80" <= sign <= "\udcff" for sign in text)


def _encoding(head: bytes) -> str:
    found = next((encoding for bom, encoding in _BOMS if head.startswith(bom)), None)
    if found:
        return found
    # UTF-16 without a mark: every second byte of Latin text is zero.
    low, high = head[0::2].count(0), head[1::2].count(0)
    most = max(low, high)
    if most >= 2 and most * 10 >= len(head) // 2 * 4 and min(low, high) * 4 <= most:
        return "utf-16-le" if high > low else "utf-16-be"
    return "utf-8"


def _marked(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return _MARK, error.end
    raise error
