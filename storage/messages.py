"""Messages: where on Discord the stored words were written, to find those that were deleted there."""

from __future__ import annotations

from sqlite3 import Connection

from storage.database import writing
from storage.discord_records import StoredThread


def stored(db: Connection, since: str, limit: int) -> dict[tuple[int | None, int], list[int]]:
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


def add_thread(db: Connection, thread_id: int, parent_id: int, *, private: bool | None = None) -> None:
    """Keep which channel a thread belongs to, and whether only its members read it."""
    with writing(db):
        db.execute(
            """
            insert into threads (thread_id, parent_id, private) values (?, ?, ?)
            on conflict (thread_id) do update set private = excluded.private where excluded.private is not null
            """,
            [thread_id, parent_id, private],
        )


def thread(db: Connection, thread_id: int) -> StoredThread | None:
    """What is kept of a thread."""
    row = db.execute("select parent_id, private from threads where thread_id = ?", [thread_id]).fetchone()
    return None if row is None else StoredThread(row[0], None if row[1] is None else bool(row[1]))


def places(db: Connection, guild_id: int) -> list[int]:
    """The channels and threads of a server in which something was said to the bot that is or was stored.

    Looked up one by one in the index, which takes as long as there are places, not replies.
    """
    rows = db.execute(
        """
        with recursive found (id) as (
            select min(channel_id) from replies where guild_id = ?1 and channel_id is not null and source <> 'import'
            union all
            select (select min(channel_id) from replies
                where guild_id = ?1 and channel_id > found.id and channel_id is not null and source <> 'import')
            from found where found.id is not null
        )
        select id from found where id is not null
        """,
        [guild_id],
    )
    return [int(row[0]) for row in rows]


def in_channel(db: Connection, channel_id: int) -> list[int]:
    """All messages of one channel and its threads whose words are stored, in documents too."""
    rows = db.execute(
        """
        with places as (select ?1 as id union select thread_id from threads where parent_id = ?1)
        select message_id from replies where channel_id in (select id from places) and redacted = 0
            and message_id is not null
        union
        select reply_messages.message_id from replies join reply_messages on reply_id = replies.id
        where channel_id in (select id from places) and redacted = 0
        union
        select recall_entries.message_id from documents join recall_entries on document_id = documents.id
        where channel_id in (select id from places) and recall_entries.message_id is not null
        """,
        [channel_id],
    )
    return [int(row[0]) for row in rows]


def channels(db: Connection, guild_id: int) -> list[int]:
    """The channels and threads of a server whose words are stored, newest first."""
    rows = db.execute(
        """
        select channel_id from replies
        where guild_id = ? and source <> 'import' and channel_id is not null and redacted = 0
        group by channel_id order by max(id) desc
        """,
        [guild_id],
    )
    return [int(row[0]) for row in rows]


def recent_channels(db: Connection, limit: int) -> list[int]:
    """The channels of the newest replies, up to so many replies."""
    rows = db.execute(
        """
        select distinct channel_id from (
            select channel_id from replies where source = 'discord' and channel_id is not null order by id desc limit ?
        )
        """,
        [limit],
    )
    return [int(row[0]) for row in rows]
