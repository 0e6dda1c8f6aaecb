"""Quotas: how many answers somebody had."""

from __future__ import annotations

from datetime import UTC, datetime
from sqlite3 import Connection


def answers_since(db: Connection, asker_id: int, guild_id: int | None, since: datetime) -> int:
    """How many answers a person was given on a server (None: in direct messages) from a moment on."""
    moment = since.astimezone(UTC).isoformat(timespec="milliseconds")
    row = db.execute(
        "select count(*) from replies where asker_id = ? and created_at >= ? and guild_id is ?",
        [asker_id, moment, guild_id],
    ).fetchone()
    return int(row[0])
