"""Messages: where on Discord the words stand that the store holds, to look whether they still stand there."""

from __future__ import annotations

from sqlite3 import Connection


def standing(db: Connection, since: str, limit: int) -> dict[tuple[int | None, int], list[int]]:
    """Message numbers by server (None: direct messages) and channel, newest first, of the newest replies.

    Those of the replies themselves, of what was answered and of what was shown. Redacted replies are passed over.

    Args:
        db: an open database.
        since: a time as the store writes it; empty for all.
        limit: replies to look at.
    """
    rows = db.execute(
        """
        with recent as (
            select id, guild_id, channel_id, message_id from replies
            where source = 'discord' and channel_id is not null and redacted = 0 and created_at >= ?
            order by id desc limit ?
        )
        select guild_id, channel_id, message_id from recent where message_id is not null
        union
        select guild_id, channel_id, reply_messages.message_id from recent join reply_messages on reply_id = recent.id
        order by 1, 2, 3 desc
        """,
        [since, limit],
    )
    found: dict[tuple[int | None, int], list[int]] = {}
    for guild_id, channel_id, message_id in rows:
        found.setdefault((guild_id, channel_id), []).append(message_id)
    return found


def in_channel(db: Connection, channel_id: int) -> list[int]:
    """All messages of one channel whose words are stored."""
    rows = db.execute(
        """
        select message_id from replies where channel_id = ?1 and redacted = 0 and message_id is not null
        union
        select reply_messages.message_id from replies join reply_messages on reply_id = replies.id
        where channel_id = ?1 and redacted = 0
        """,
        [channel_id],
    )
    return [int(row[0]) for row in rows]
