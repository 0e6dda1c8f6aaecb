"""Erasure: no byte of removed words is left in the database's files.

SQLite overwrites what it frees (`secure_delete`), but two kinds of copies outlive that: pages in the write-ahead log,
and what a page kept between its rows when they moved. So after a removal the file is written anew (VACUUM), then the
log is emptied into it and cut to nothing. What could not be done at once (somebody is reading, the file is large) is a
row in `erasures`, put there by the removal's own transaction, until it is done. The full-text index keeps a third kind.
"""

from __future__ import annotations

import logging
import sqlite3

from storage.faults import sqlite_errors
from storage.timestamps import now

__all__ = ["AT_ONCE", "carry_out", "request"]

AT_ONCE = 64 * 2**20
"""Bytes of a file that is written anew with each removal, in well under a second; a larger one when nobody waits."""

_WAIT_MS = 500  # for readers and writers, who may be many; a removal that is due is tried again

_log = logging.getLogger(__name__)


def request(db: sqlite3.Connection) -> None:
    """Note that words were removed. Part of the transaction that removes them."""
    db.execute("insert into erasures (requested_at) values (?)", [now()])


def carry_out(db: sqlite3.Connection, *, at_most: int | None = AT_ONCE) -> bool:
    """Erase what removals left in the files; returns whether nothing is left to do.

    Args:
        db: an open database, in no transaction.
        at_most: bytes; of a larger file only the log is erased, and the rest stays due. None: whatever its size.
    """
    (due,) = db.execute("select max(id) from erasures").fetchone()
    if due is None:
        return True
    (timeout,) = db.execute("pragma busy_timeout").fetchone()
    try:
        db.execute(f"pragma busy_timeout = {_WAIT_MS}")
        rewritten = at_most is None or _size(db) <= at_most
        if rewritten:
            # The full-text index only marks words as deleted until its parts are merged.
            db.execute("insert into recall_words (recall_words) values ('optimize')")
            db.execute("vacuum")
        (busy, _, _) = db.execute("pragma wal_checkpoint(truncate)").fetchone()
        if busy or not rewritten:
            return False
        db.execute("delete from erasures where id <= ?", [due])
    except sqlite_errors() as error:  # somebody reads or writes, or the disk is full
        _log.info("Removed words are erased from the file later: %s", error)
        return False
    finally:
        db.execute(f"pragma busy_timeout = {timeout}")
    return True


def _size(db: sqlite3.Connection) -> int:
    (pages,) = db.execute("pragma page_count").fetchone()
    (page,) = db.execute("pragma page_size").fetchone()
    return int(pages * page)
