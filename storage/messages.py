"""Messages: where on Discord the words stand that the store holds, to look whether they still stand there."""

from __future__ import annotations

from sqlite3 import Connection


def standing(db: Connection, since: str, limit: int) -> dict[int, list[int]]:
    """Message numbers by channel, newest first, of the newest `limit` replies stored since a moment.

    Those of the replies themselves, of what was answered and of what was shown. Redacted replies are passed over.

    Args:
        db: an open database.
        since: a time as the store writes it; empty for all.
        limit: replies to look at.
    """
    rows = db.execute(
        """
        with recent as (
            select id, channel_id, message_id from replies
            where source = 'discord' and channel_id is not null and redacted = 0 and created_at >= ?
            order by id desc limit ?
        )
        select channel_id, message_id from recent where message_id is not null
        union
        select channel_id, reply_messages.message_id from recent join reply_messages on reply_id = recent.id
        order by 1, 2 desc
        """,
        [since, limit],
    )
    found: dict[int, list[int]] = {}
    for channel_id, message_id in rows:
        found.setdefault(int(channel_id), []).append(int(message_id))
    return found
