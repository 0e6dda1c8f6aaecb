"""Servers: whose pairs the bot learns from.

The operator names them by id. Until then it is the server that the bot joined first, which is remembered for good: no
server that joins later, or takes another's name, ever takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from storage.database import writing
from storage.timestamps import now


def home(db: Connection) -> int | None:
    """The first server that the bot joined; where that was not noticed, the one of the first reply."""
    for row in db.execute("select guild_id from home_server"):
        return int(row[0])
    for row in db.execute(
        "select guild_id from replies where source = 'discord' and guild_id is not null order by id limit 1"
    ):
        return int(row[0])
    return None


def remember_home(db: Connection, joined: Sequence[int]) -> int | None:
    """Remember the first server, unless one is remembered: one of those `joined`, the earliest first. Returns it."""
    with writing(db):
        first = home(db) or next(iter(joined), None)
        if first is not None:
            db.execute("insert or ignore into home_server (id, guild_id, since) values (1, ?, ?)", [first, now()])
    return first


def teaching(db: Connection, named: Sequence[int] = ()) -> tuple[int, ...]:
    """The servers whose pairs are learned from: those that the operator named, or the first one."""
    if named:
        return tuple(named)
    first = home(db)
    return () if first is None else (first,)
