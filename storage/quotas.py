"""Quotas: how many answers somebody had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from sqlite3 import Connection


def answers_since(db: Connection, asker_id: int, guild_id: int | None, since: datetime) -> int:
    """How many answers a person was given on a server (None: in direct messages) in the day that begins at a moment.

    What is dated later was stored by a clock that was ahead; it would count on every day until then.
    """
    first, last = (
        moment.astimezone(UTC).isoformat(timespec="milliseconds") for moment in (since, since + timedelta(days=1))
    )
    row = db.execute(
        "select count(*) from replies where asker_id = ? and created_at >= ? and created_at < ? and guild_id is ?",
        [asker_id, first, last, guild_id],
    ).fetchone()
    return int(row[0])
