"""What the disk and SQLite say when they fail, as errors of the store: one sentence each, wherever it happens. Pure."""

from __future__ import annotations

import errno
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from storage.errors import DatabaseBusy, DatabaseDamaged, DatabaseUnwritable, DiskFull, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# safetensors has the system's number in its words; torch.save tells only that its writer is not where it should be.
_LIBRARIES_FULL = re.compile(
    r"\(os error (?:28|122|27)\)|No space left on device"
    r"|inline_container\.cc.*(?:unexpected pos|file write failed)|PytorchStreamWriter failed writing"
)
BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for another process."""


def sqlite_errors() -> tuple[type[Exception], ...]:
    """What an open database may raise: sqlite3's errors, and SQLCipher's own where it is in use."""
    sqlcipher: Any = sys.modules.get("sqlcipher3.dbapi2")
    return (sqlite3.Error,) if sqlcipher is None else (sqlite3.Error, sqlcipher.Error)


def as_storage_error(error: BaseException) -> StorageError | None:
    """The store's error for a failure of the disk or the database; None for a mistake of ours."""
    if isinstance(error, sqlite_errors()):
        return _of_sqlite(error)
    if isinstance(error, OSError):
        return DiskFull() if error.errno in _FULL else None
    return DiskFull() if isinstance(error, Exception) and _LIBRARIES_FULL.search(str(error)) else None


@contextmanager
def in_own_words() -> Iterator[None]:
    """Raise the store's error for a failure of the disk or the database inside; other errors are left alone."""
    try:
        yield
    except Exception as error:
        # SQLCipher's errors are known only once it is loaded, which may happen inside.
        known = as_storage_error(error) if isinstance(error, (OSError, *sqlite_errors())) else None
        if known is None:
            raise
        raise known from error


def is_busy(error: BaseException) -> bool:
    """Whether SQLite gave up waiting for another writer."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_no_database(error: BaseException) -> bool:
    """Whether the file is no database, or one that this key does not open."""
    return _code(error) == sqlite3.SQLITE_NOTADB


def is_damage(error: BaseException) -> bool:
    """Whether SQLite found what it read not to be whole."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _of_sqlite(error: BaseException) -> StorageError | None:
    code = _code(error)
    if is_busy(error):
        return DatabaseBusy(BUSY_TIMEOUT_S)
    if is_damage(error):
        return DatabaseDamaged(None, str(error))
    if code == sqlite3.SQLITE_FULL:
        return DiskFull()
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return DatabaseUnwritable(str(error))
    return None


def _code(error: BaseException) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
