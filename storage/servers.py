"""Servers: whose pairs the bot learns from, and which of them a server's own voice learns from.

The operator names them by id. Until then it is the server that the bot joined first, which is remembered for good: no
server that joins later, or takes another's name, ever takes its place. Where each server has a voice of its own, its
pairs teach that voice and no other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection

from storage.database import writing
from storage.timestamps import now

TAUGHT = """
    (replies.guild_id in (select value from json_each(:servers)) or (replies.guild_id is null
        and (not :apart or (:imports and replies.source <> 'discord'))))
"""
"""For a statement over `replies`, with what `taught` returns: whose pairs teach. What belongs to no server is the
operator's, but for direct messages, which no server's own voice learns from."""


@dataclass(frozen=True, slots=True)
class Voice:
    """The voice of one server. With `imports` the operator's own pairs teach it too, besides the server's."""

    guild_id: int
    imports: bool = True


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


def taught(db: Connection, named: Sequence[int] = (), voice: Voice | None = None) -> dict[str, object]:
    """The values that `TAUGHT` asks for. Where the operator named other servers alone, a voice learns nothing."""
    if voice is None:
        return {"servers": json.dumps(teaching(db, named)), "apart": False, "imports": True}
    own = (voice.guild_id,) if not named or voice.guild_id in named else ()
    return {"servers": json.dumps(own), "apart": True, "imports": voice.imports and bool(own)}
