"""The audit: every administrative act, who did it and when. Rows are only added.

An act is named by two words, such as "adapter.rollback" or "settings.persona"; `subject` is what it was done to. No
member's words belong here: rows are never redacted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from sqlite3 import Connection
from typing import Any

from storage.database import writing
from storage.records import Act, AuditEntry
from storage.timestamps import now


def add(
    db: Connection,
    actor_id: int | None,
    actor: str,
    action: str,
    subject: str = "",
    *,
    guild_id: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write down one act. `guild_id` is None for what concerns every server (an adapter, the command line)."""
    with writing(db):
        insert(db, actor_id, actor, action, subject, guild_id=guild_id, details=details)


def insert(
    db: Connection,
    actor_id: int | None,
    actor: str,
    action: str,
    subject: str = "",
    *,
    guild_id: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """The same as part of a transaction that is under way, so that an act and its trace are one."""
    db.execute(
        """
        insert into audit (created_at, guild_id, actor_id, actor, action, subject, details)
        values (?, ?, ?, ?, ?, ?, ?)
        """,
        [now(), guild_id, actor_id, actor, action, subject, json.dumps(dict(details or {}), ensure_ascii=False)],
    )


def insert_act(db: Connection, act: Act) -> None:
    """The same for an act that was described before."""
    insert(db, act.actor_id, act.actor, act.action, act.subject, guild_id=act.guild_id, details=act.details)


def recent(db: Connection, guild_id: int | None = None, limit: int = 50) -> list[AuditEntry]:
    """The last `limit` acts on a server, and on all servers at once, newest first; None: everything."""
    rows = db.execute(
        """
        select id, created_at, guild_id, actor_id, actor, action, subject, details from audit
        where ?1 is null or guild_id = ?1 or guild_id is null order by id desc limit ?2
        """,
        [guild_id, limit],
    )
    return [AuditEntry(**{**dict(row), "details": json.loads(row["details"])}) for row in rows]
