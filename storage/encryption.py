"""The key of an encrypted database, and opening one with it.

The database is encrypted by SQLCipher (AES-256 for each page) when `[storage] key_file` names a file with the key.
Every process that opens the database needs the key, also commands that read no settings, so the name of that file is
read here: from NIGHTSHIFT_STORAGE__KEY_FILE, else from the settings file beside the database. A database and its
setting must agree: nothing is encrypted or decrypted by opening it (`storage.encryption_change` does that).
"""

from __future__ import annotations

import os
import re
import secrets
import sqlite3
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

from storage.encryption_errors import DatabaseEncrypted, DatabaseNotEncrypted, EncryptionNotInstalled, KeyFileUnusable
from storage.faults import BUSY_TIMEOUT_S
from storage.file_heads import head_of
from storage.files.private_file import write_private

__all__ = [
    "begins_plain",
    "connect",
    "connect_encrypted",
    "connect_like",
    "is_plain",
    "key_file_of",
    "make_key_file",
    "read_key",
]

VARIABLE = "NIGHTSHIFT_STORAGE__KEY_FILE"
_KEY = re.compile(r"[0-9a-f]{64}")
_MAGIC = b"SQLite format 3"
_PAGE = 4096
_RANDOM = 250  # of 256 values, in 4,096 random bytes; text and SQLite's own pages have far fewer


def connect(path: Path) -> sqlite3.Connection:
    """Open a database file, with the key where one is set. No schema is read or made.

    Raises:
        DatabaseEncrypted, DatabaseNotEncrypted: file and setting do not agree.
        KeyFileUnusable: the key file cannot be read, or holds no key.
        EncryptionNotInstalled: a key is set and SQLCipher is missing.
        sqlite3.Error, OSError: the file cannot be opened.
    """
    key_file = key_file_of(path)
    empty = path.stat().st_size == 0
    if key_file is None:
        if not empty and _looks_encrypted(path):
            raise DatabaseEncrypted(path)
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        db.row_factory = sqlite3.Row
        return db
    if not empty and is_plain(path):
        raise DatabaseNotEncrypted(path)
    return connect_encrypted(path, read_key(key_file))


def connect_like(path: Path, copy: Path) -> sqlite3.Connection:
    """Open a file of any name as the database `path` is opened: with its key, where one is set."""
    key_file = key_file_of(path)
    return (
        sqlite3.connect(copy, isolation_level=None) if key_file is None else connect_encrypted(copy, read_key(key_file))
    )


def connect_encrypted(path: Path, key: str | None) -> sqlite3.Connection:
    """Open a file with SQLCipher. The connection behaves as sqlite3's does, but its errors are classes of its own.

    Args:
        path: the file; an empty or missing one becomes an encrypted database.
        key: 64 hexadecimal digits, used as they are (no derivation, so that opening takes no time); None: plain.
    """
    library: Any = _sqlcipher()
    db: sqlite3.Connection = library.connect(str(path), timeout=BUSY_TIMEOUT_S, isolation_level=None)
    if key is not None:
        db.execute(f"pragma key = \"x'{key}'\"")
    db.row_factory = library.Row
    return db


def _sqlcipher() -> ModuleType:
    """The library. Raises EncryptionNotInstalled."""
    try:
        from sqlcipher3 import dbapi2
    except ImportError as error:
        raise EncryptionNotInstalled from error
    module: ModuleType = dbapi2
    return module


def key_file_of(database: Path) -> Path | None:
    """The key file that is set for this database, relative to its folder; None where it is not to be encrypted.

    A settings file that cannot be read counts as none: `trainer.settings` refuses it in a sentence.
    """
    config = database.parent / "nightshift.toml"
    named = os.environ.get(VARIABLE) or _named_in(config)
    # The playground shares the settings file of its home.
    folder = config.resolve().parent if config.is_symlink() else database.parent
    return folder / Path(named).expanduser() if named else None


def _named_in(config: Path) -> str:
    try:
        section = tomllib.loads(config.read_text(encoding="utf-8")).get("storage", {})
    except (OSError, ValueError):
        return ""
    named = section.get("key_file", "") if isinstance(section, dict) else ""
    return named if isinstance(named, str) else ""


def read_key(key_file: Path) -> str:
    """The key in a file: 64 hexadecimal digits. Raises KeyFileUnusable."""
    try:
        text = key_file.read_text(encoding="ascii").strip().lower()
    except OSError as error:
        raise KeyFileUnusable(key_file, error.strerror or "it cannot be read") from error
    except UnicodeDecodeError:
        text = ""
    if not _KEY.fullmatch(text):
        raise KeyFileUnusable(key_file, "it does not hold a key of 64 hexadecimal digits")
    return text


def make_key_file(key_file: Path) -> None:
    """Write a new random key that only its owner can read. Raises FileExistsError, KeyFileUnusable."""
    try:
        key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(key_file, f"{secrets.token_hex(32)}\n")
    except FileExistsError:
        raise
    except OSError as error:
        raise KeyFileUnusable(key_file, error.strerror or "it cannot be written") from error


def is_plain(path: Path) -> bool:
    """Whether a file is a SQLite database that everybody with the file can read."""
    return begins_plain(head_of(path, len(_MAGIC)))


def begins_plain(data: bytes) -> bool:
    """Whether these are the first bytes of such a database."""
    return data.startswith(_MAGIC)


def _looks_encrypted(path: Path) -> bool:
    """Whether a file may be an encrypted database: whole pages that begin with bytes like random ones."""
    start = head_of(path, _PAGE)
    return len(start) == _PAGE and path.stat().st_size % _PAGE == 0 and len(set(start)) > _RANDOM
