"""Encrypting a database that is there, and decrypting it: a whole copy is made and checked, then it takes the place.

Nobody else may have the database open meanwhile: the caller holds the home and the trainer's lock. A crash leaves the
old database in place, or the new one. The bytes of the old file are overwritten at the end; what a disk keeps of them
underneath (a solid-state disk, a snapshot of the volume) is out of reach.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from storage.encryption import connect_encrypted, is_plain
from storage.errors import DatabaseDamaged
from storage.files.private_file import sync

__all__ = ["decrypt", "encrypt"]

_BLOCK = 1 << 20


def encrypt(path: Path, key: str) -> bool:
    """Encrypt a plain database in place; returns False for one that is encrypted already.

    Args:
        path: the database.
        key: 64 hexadecimal digits.

    Raises:
        DatabaseDamaged: the copy does not hold what the original holds; nothing was changed.
        sqlite3.Error or SQLCipher's: the disk is full, the key is wrong; nothing was changed.
    """
    if not is_plain(path):
        return False
    _replace(path, connect_encrypted(path, None), key)
    return True


def decrypt(path: Path, key: str) -> bool:
    """Decrypt an encrypted database in place; returns False for a plain one. Raises what `encrypt` raises."""
    if is_plain(path):
        return False
    _replace(path, connect_encrypted(path, key), None)
    return True


def _replace(path: Path, db: sqlite3.Connection, key: str | None) -> None:
    """Put a copy with another key, or none, in the place of the open database; closes it."""
    copy = path.with_name(f"{path.name}.copy")
    _remove(copy)
    try:
        try:
            db.execute("pragma wal_checkpoint(truncate)")
            db.execute("pragma journal_mode = delete")  # leaves no log that belongs to the old key
            _export(db, copy, key)
            tables = _row_counts(db)
        finally:
            db.close()
        _check(copy, key, tables)
        with path.open("r+b") as old:
            copy.replace(path)
            sync(path.parent)
            _overwrite(old.fileno())
    finally:
        _remove(copy)


def _export(db: sqlite3.Connection, copy: Path, key: str | None) -> None:
    os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    # An empty key means no encryption; SQLCipher would take over the key of the open database if none were given.
    db.execute("attach database ? as copy key ?", [str(copy), f"x'{key}'" if key else ""])
    db.execute("select sqlcipher_export('copy')").fetchall()
    db.execute("detach database copy")


def _check(copy: Path, key: str | None, expected: dict[str, int]) -> None:
    """Read the copy through. Raises DatabaseDamaged."""
    db = connect_encrypted(copy, key)
    try:
        (found,) = db.execute("pragma integrity_check(1)").fetchone()
        if found != "ok":
            raise DatabaseDamaged(copy, str(found))
        if _row_counts(db) != expected:
            raise DatabaseDamaged(copy, "the copy has other rows than the database")
    finally:
        db.close()
    sync(copy)


def _row_counts(db: sqlite3.Connection) -> dict[str, int]:
    names = [row[0] for row in db.execute("select name from sqlite_master where type = 'table' order by name")]
    return {name: db.execute(f'select count(*) from "{name}"').fetchone()[0] for name in names}  # noqa: S608 - our tables


def _overwrite(descriptor: int) -> None:
    size = os.fstat(descriptor).st_size
    for offset in range(0, size, _BLOCK):
        os.pwrite(descriptor, bytes(min(_BLOCK, size - offset)), offset)
    os.fsync(descriptor)


def _remove(copy: Path) -> None:
    for name in (copy.name, f"{copy.name}-wal", f"{copy.name}-shm", f"{copy.name}-journal"):
        copy.with_name(name).unlink(missing_ok=True)
