"""Files packed with gzip, unpacked for as long as they are read. Knows bytes, not pairs."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from storage.errors import FileUnusable

__all__ = ["is_gzip", "unpacked"]

_MAGIC = b"\x1f\x8b"
_MOST_BYTES = 20_000_000_000
_CHUNK = 1 << 20


def is_gzip(path: Path) -> bool:
    """Whether a file is packed with gzip, whatever it is called. Raises OSError."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(2) == _MAGIC


@contextmanager
def unpacked(path: Path, most_bytes: int = _MOST_BYTES) -> Iterator[Path]:
    """The file itself, or what is packed in it as a temporary file: `chat.json.gz` is read as a `.json`.

    Raises:
        FileUnusable: what is packed is damaged, or larger than `most_bytes`; the disk is full.
    """
    if not is_gzip(path):
        yield path
        return
    inner = path.with_suffix("") if path.suffix.casefold() in (".gz", ".gzip") else path
    with tempfile.TemporaryDirectory(prefix="nightshift-") as folder:
        target = Path(folder) / (inner.name if inner.suffix else f"{inner.name}.jsonl")
        try:
            with gzip.open(path, "rb") as packed, target.open("wb") as plain:
                _copy(path, packed, plain, most_bytes)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise FileUnusable(path, "is damaged: it cannot be unpacked") from None
        except OSError as error:
            raise FileUnusable(path, f"cannot be unpacked ({error.strerror})") from error
        try:
            yield target
        except FileUnusable as error:  # of the name that a person gave
            raise FileUnusable(path if error.path == target else error.path, error.problem, kind=error.kind) from error


def _copy(path: Path, packed: gzip.GzipFile, plain: IO[bytes], most_bytes: int) -> None:
    while chunk := packed.read(_CHUNK):
        if plain.tell() + len(chunk) > most_bytes:
            raise FileUnusable(path, f"unpacks to more than {most_bytes / 1e9:g} GB")
        plain.write(chunk)
