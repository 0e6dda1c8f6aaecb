"""What the bot remembers about itself from one start to the next: one value for each name, of no person."""

from __future__ import annotations

from sqlite3 import Connection

from storage.database import writing


def get(db: Connection, name: str) -> str | None:
    """The value kept under a name, or None."""
    row = db.execute("select value from bot_state where name = ?", [name]).fetchone()
    return None if row is None else str(row[0])


def put(db: Connection, name: str, value: str) -> None:
    """Keep a value in place of the one before."""
    with writing(db):
        db.execute("insert or replace into bot_state (name, value) values (?, ?)", [name, value])
