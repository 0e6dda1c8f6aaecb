"""Settings that a server's administrators make on Discord: one row for each name, for a server or one channel of it.

The store keeps values as JSON and does not know what they mean; a name that is not there has its default, which is
the operator's affair (`nightshift.toml`).
"""

from __future__ import annotations

import json
from sqlite3 import Connection
from typing import Any

from storage.database import writing
from storage.discord_records import GuildSetting
from storage.timestamps import now

SERVER = 0
"""The `channel_id` of what holds for a whole server."""


def put(db: Connection, guild_id: int, name: str, value: Any, *, channel_id: int = SERVER) -> None:
    """Keep a value (anything JSON holds) for a server or one channel of it; None goes back to the default."""
    with writing(db):
        if value is None:
            db.execute(
                "delete from guild_settings where guild_id = ? and channel_id = ? and name = ?",
                [guild_id, channel_id, name],
            )
            return
        db.execute(
            """
            insert into guild_settings (guild_id, channel_id, name, value, updated_at) values (?, ?, ?, ?, ?)
            on conflict (guild_id, channel_id, name)
            do update set value = excluded.value, updated_at = excluded.updated_at
            """,
            [guild_id, channel_id, name, json.dumps(value, ensure_ascii=False), now()],
        )


def every(db: Connection) -> list[GuildSetting]:
    """All settings of all servers, a server's own before those of its channels."""
    rows = db.execute(
        "select guild_id, channel_id, name, value from guild_settings order by guild_id, channel_id, name"
    )
    return [GuildSetting(row["guild_id"], row["channel_id"], row["name"], json.loads(row["value"])) for row in rows]
