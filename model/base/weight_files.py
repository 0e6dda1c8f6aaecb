"""Files of a model on disk: whether they are whole, and which bytes exactly they hold. No torch.

Hashing gigabytes at every start takes long, so a hash is kept for as long as size and times of its file stay.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

__all__ = ["Digests", "damage_of", "missing_shards"]

_POINTER = b"version https://git-lfs"
_LARGEST_HEADER = 100_000_000  # bytes, as in the safetensors library
_INDEX = "model.safetensors.index.json"
_KEPT = "digests.json"

_Key = tuple[int, int, int]  # size, time of the last change to the content, and to the file


class Digests:
    """SHA-256 of files, remembered in a directory if there is one, and within this process."""

    _known: dict[str, tuple[_Key, str]] = {}  # noqa: RUF012 - of this process, shared by all callers

    def __init__(self, directory: Path | None = None) -> None:
        self._file = directory / _KEPT if directory else None
        self._fresh: dict[str, list[Any]] = {}

    def of(self, files: Iterable[Path]) -> dict[str, str]:
        """The digest of each file, by its name. Raises OSError."""
        kept = self._read()
        found: dict[str, str] = {}
        for file in files:
            place = str(file.resolve())
            key = _key(file)
            digest = self._remembered(kept, place, key)
            if digest is None:
                with file.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                self._fresh[place] = [*key, digest]
            Digests._known[place] = (key, digest)
            found[file.name] = digest
        return found

    def keep(self) -> None:
        """Write down what was computed; where that cannot be, it is computed again."""
        if self._file is None or not self._fresh or not self._file.parent.is_dir():
            return
        rows = {place: row for place, row in self._read().items() if Path(place).exists()} | self._fresh
        with contextlib.suppress(OSError):
            with tempfile.NamedTemporaryFile("w", dir=self._file.parent, prefix=f".{_KEPT}.", delete=False) as out:
                json.dump(rows, out)
            Path(out.name).replace(self._file)

    def _remembered(self, kept: dict[str, list[Any]], place: str, key: _Key) -> str | None:
        row = kept.get(place)
        if isinstance(row, list) and len(row) == 4 and row[:3] == [*key] and isinstance(row[3], str):
            return row[3]
        known = Digests._known.get(place)
        return known[1] if known and known[0] == key else None

    def _read(self) -> dict[str, list[Any]]:
        try:
            kept = json.loads(self._file.read_bytes()) if self._file else {}
        except (OSError, ValueError, RecursionError):
            return {}
        return kept if isinstance(kept, dict) else {}


def damage_of(file: Path) -> str | None:
    """What is wrong with a file of weights or of a tokenizer, as far as its beginning and its size tell; else None."""
    size = file.stat().st_size
    if size == 0:
        return f"{file.name} is empty"
    with file.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            return f"{file.name} is a Git LFS pointer, not the file itself (run git lfs pull there)"
        stream.seek(0)
        if file.suffix == ".gguf":
            return None if stream.read(4) == b"GGUF" else f"{file.name} is no GGUF file"
        return _damage_of_tensors(file.name, size, stream) if file.suffix == ".safetensors" else None


def _damage_of_tensors(name: str, size: int, stream: IO[bytes]) -> str | None:
    """What is wrong with a safetensors file: its header says how long it is."""
    length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > min(_LARGEST_HEADER, size - 8):
        return f"{name} is damaged or cut off"
    try:
        whole = 8 + length + _end(json.loads(stream.read(length)))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError):
        return f"{name} is damaged"
    return None if whole == size else f"{name} is damaged or cut off ({size:,} bytes of {whole:,})"


def missing_shards(directory: Path) -> list[str]:
    """Files of weights that the index lists and the directory does not have. Raises OSError, ValueError."""
    index = directory / _INDEX
    if not index.is_file():
        return []
    listed = json.loads(index.read_bytes())
    shards = listed.get("weight_map") if isinstance(listed, dict) else None
    if not isinstance(shards, dict):
        raise ValueError(f"{_INDEX} is damaged")  # noqa: TRY004 - it is about the file, not about a caller
    return sorted({str(name) for name in shards.values() if not (directory / str(name)).is_file()})


def _end(header: dict[str, Any]) -> int:
    """Where the last tensor ends, counted from the end of the header."""
    return max((int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"), default=0)


def _key(file: Path) -> _Key:
    status = file.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
