"""Opening the SQLite file and writing to it safely beside another process.

The bot and the trainer write the same file. WAL lets one read while the other writes; a writer takes the lock at
the start of its transaction (`BEGIN IMMEDIATE`) and so waits for its turn, where a read that turns into a
write would fail at once (SQLITE_BUSY_SNAPSHOT). Knows no table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from storage.errors import DatabaseBusy, DatabaseNewer, DatabaseUnreadable
from storage.migrations import known_steps, migrations

BUSY_TIMEOUT_S = 10.0


def open_database(path: Path) -> Database:
    """Open (or make) the database and bring its schema up to date.

    The connection belongs to the thread that opens it. Python starts no transaction of its own accord on it.

    Raises:
        DatabaseNewer: a newer version has changed its schema; nothing was touched.
        DatabaseUnreadable: it cannot be opened or is no database.
        DatabaseBusy: another process held it too long.
    """
    try:
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except sqlite3.Error as error:
        raise DatabaseUnreadable(path, str(error)) from error
    db = Database(connection)
    try:
        _bring_up_to_date(db, path)
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.Error):
            if is_busy(error):
                raise DatabaseBusy(BUSY_TIMEOUT_S) from error
            raise DatabaseUnreadable(path, str(error)) from error
        raise
    return db


def _bring_up_to_date(db: Database, path: Path) -> None:
    known = known_steps()
    unknown = [step.name for step in migrations.applied(db) if step.name not in known]
    if unknown:
        raise DatabaseNewer(path, unknown)
    db.enable_wal()
    if migrations.pending(db):
        # In one transaction of ours, so that two processes starting together do not both apply a step.
        with writing(db):
            migrations.apply(db)
    db.execute("pragma foreign_keys = on")
    # What a person asks us to forget is overwritten in the file, not only unlinked.
    db.execute("pragma secure_delete = on")


@contextmanager
def writing(db: Database) -> Iterator[None]:
    """One write transaction: all of the block is kept, or none of it.

    Raises:
        DatabaseBusy: another process wrote for longer than `BUSY_TIMEOUT_S`.
    """
    try:
        db.execute("begin immediate")
    except sqlite3.OperationalError as error:
        if is_busy(error):
            raise DatabaseBusy(BUSY_TIMEOUT_S) from error
        raise
    try:
        yield
        db.execute("commit")
    except BaseException:
        db.rollback()
        raise


def is_busy(error: sqlite3.Error) -> bool:
    """Whether SQLite gave up waiting for another writer."""
    code = getattr(error, "sqlite_errorcode", 0)
    return (code & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
