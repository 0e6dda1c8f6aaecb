"""Tallies of reviews on one server: by day, as they were at its end; by adapter, as they are now."""

from __future__ import annotations

from sqlite3 import Connection

from storage.review_records import Tally


def by_day(db: Connection, guild_id: int, since: str) -> list[Tally]:
    """Replies judged on each day (UTC) from `since` (2026-11-23) on, oldest first, by their last verdict that day."""
    rows = db.execute(
        """
        select substr(reviews.created_at, 1, 10) as day, count(*), sum(verdict in ('approve', 'edit'))
        from reviews join replies on replies.id = reviews.reply_id
        where replies.guild_id = ? and source <> 'import' and verdict <> 'undo' and reviews.created_at >= ?
            and not exists (
                select 1 from reviews as later
                where later.reply_id = reviews.reply_id and later.id > reviews.id
                    and substr(later.created_at, 1, 10) = substr(reviews.created_at, 1, 10)
            )
        group by day order by day
        """,
        [guild_id, since],
    )
    return [Tally(day, count, good) for day, count, good in rows]


def by_adapter(db: Connection, guild_id: int) -> list[Tally]:
    """Latest verdicts on the replies of each adapter ("": the bare base), in order of appearance."""
    rows = db.execute(
        """
        select coalesce(adapter, ''), count(*), sum(standing in ('approve', 'edit')) from replies
        where guild_id = ? and source <> 'import' and standing is not null
        group by adapter order by min(id)
        """,
        [guild_id],
    )
    return [Tally(adapter, count, good) for adapter, count, good in rows]
