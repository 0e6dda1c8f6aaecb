"""Opening the SQLite file and writing to it safely beside another process.

The bot and the trainer write the same file. WAL lets one read while the other writes; a writer takes the lock at
the start of its transaction (`begin immediate`) and so waits for its turn, where a read that turns into a
write would fail at once (SQLITE_BUSY_SNAPSHOT). Knows no table.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage import encryption, migrations
from storage.encryption_errors import DatabaseKeyWrong
from storage.errors import DatabaseBusy, DatabaseDamaged, DatabaseNewer, DatabaseUnreadable
from storage.faults import BUSY_TIMEOUT_S, in_own_words, is_busy, is_damage, is_no_database, sqlite_errors
from storage.files.home import make_private

CACHE_KIB = 64 * 1024
"""SQLite's 2 MB make a large import read its indexes again and again, with the lock held."""


def check_database(path: Path, *, thorough: bool = False) -> None:
    """Read the file through and see whether it is whole: quickly, or (minutes for gigabytes) with every index.

    Raises:
        DatabaseDamaged: it is not.
        DatabaseUnreadable: it cannot be opened.
    """
    db = open_database(path)
    try:
        (found,) = db.execute("pragma integrity_check(1)" if thorough else "pragma quick_check(1)").fetchone()
    except sqlite_errors() as error:
        raise DatabaseDamaged(path, str(error)) from error
    finally:
        db.close()
    if found != "ok":
        raise DatabaseDamaged(path, " ".join(str(found).split()))


def open_database(path: Path) -> sqlite3.Connection:
    """Open (or make) the database and bring its schema up to date.

    The connection belongs to the thread that opens it. Python starts no transaction of its own accord on it.

    Raises:
        DatabaseNewer: a newer version has changed its schema; nothing was touched.
        DatabaseUnreadable: it cannot be opened or is no database.
        DatabaseEncrypted, DatabaseNotEncrypted, DatabaseKeyWrong, KeyFileUnusable, EncryptionNotInstalled: see
            `storage.encryption`.
        DatabaseBusy: another process held it too long.
    """
    try:
        _make_privately(path)
        db = encryption.connect(path)
    except OSError as error:
        raise DatabaseUnreadable(path, error.strerror or str(error)) from error
    except sqlite_errors() as error:
        raise DatabaseUnreadable(path, str(error)) from error
    try:
        _bring_up_to_date(db, path)
    except sqlite_errors() as error:
        db.close()
        if is_busy(error):
            raise DatabaseBusy(BUSY_TIMEOUT_S) from error
        if is_no_database(error) and encryption.key_file_of(path) is not None:
            raise DatabaseKeyWrong(path) from error
        if is_damage(error) and encryption.is_plain(path):
            raise DatabaseDamaged(path, str(error)) from error
        raise DatabaseUnreadable(path, str(error)) from error
    except BaseException:
        db.close()
        raise
    return db


def _make_privately(path: Path) -> None:
    """Make the file so that only its owner may read it; SQLite gives its companions (-wal, -shm) the same rights."""
    with contextlib.suppress(FileExistsError):  # one that is there may be in use: see storage/file_heads.py
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        make_private(file)


def _bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    known = {step.__name__ for step in migrations.STEPS}
    applied = set(migrations.applied(db))
    if applied - known:
        raise DatabaseNewer(path, sorted(applied - known))
    _enable_wal(db)
    # What a person asks us to forget is overwritten in the file, not only unlinked.
    db.execute("pragma secure_delete = on")
    if known - applied:
        # In one transaction of ours, so that two processes starting together do not both apply a step.
        with writing(db):
            migrations.apply(db)
    db.execute("pragma foreign_keys = on")
    db.execute(f"pragma cache_size = -{CACHE_KIB}")


def _enable_wal(db: sqlite3.Connection) -> None:
    """Switch a new file to WAL. SQLite does not wait for others there, however long its timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            db.execute("pragma journal_mode = wal")
        except sqlite_errors() as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """One write transaction: all of the block is kept, or none of it.

    Inside another it is a part of that one: what an outer block undoes, it undoes; what it undoes itself, the outer
    block may go on without.

    Raises:
        DatabaseBusy: another process wrote for longer than `BUSY_TIMEOUT_S`.
        DiskFull, DatabaseDamaged, DatabaseUnwritable: what is said, and nothing is kept.
    """
    if db.in_transaction:
        with _savepoint(db):
            yield
        return
    with in_own_words():
        db.execute("begin immediate")
    with _to_the_end(db):
        yield


@contextmanager
def preparing(db: sqlite3.Connection) -> Iterator[None]:
    """One transaction on temporary tables: nobody else waits for it."""
    db.execute("begin")
    with _to_the_end(db):
        yield


@contextmanager
def _to_the_end(db: sqlite3.Connection) -> Iterator[None]:
    with in_own_words():
        try:
            yield
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise


@contextmanager
def _savepoint(db: sqlite3.Connection) -> Iterator[None]:
    # Savepoints of one name nest: the latest is the one that is meant.
    db.execute("savepoint part")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # SQLite itself undoes all of it on some errors, such as a full disk
            db.execute("rollback to part")
            db.execute("release part")
        raise
    db.execute("release part")
