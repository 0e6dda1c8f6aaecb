"""The audit: every administrative act, who did it and when. Rows are only added.

An act is named by two words, such as "adapter.rollback" or "settings.persona"; `subject` is what it was done to. No
member's words belong here: rows are never redacted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from sqlite3 import Connection, Row
from typing import Any

from storage.audit_records import Act, AuditEntry
from storage.database import writing
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


def search(
    db: Connection,
    *,
    action: str = "",
    by: str = "",
    guild_id: int | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> list[AuditEntry]:
    """The last `limit` acts that fit, newest first.

    Args:
        db: an open database.
        action: both words of an act, or its first ("adapter" for "adapter.use" too); "" for every act.
        by: name (whatever the case) or id of the person who acted; "" for everybody.
        guild_id: a server, whose acts come with those that concern all servers; None for every server.
        since: an aware moment.
        limit: how many at most.
    """
    rows = db.execute(
        """
        select id, created_at, guild_id, actor_id, actor, action, subject, details from audit
        where (:guild is null or guild_id = :guild or guild_id is null)
            and (:action = '' or action = :action or substr(action, 1, length(:action) + 1) = :action || '.')
            and (:since is null or created_at >= :since)
        order by id desc
        """,
        {
            "guild": guild_id,
            "action": action.strip(),
            "since": None if since is None else since.astimezone(UTC).isoformat(timespec="milliseconds"),
        },
    )
    wanted = by.strip().removeprefix("@").casefold()
    fitting = (row for row in rows if not wanted or wanted in (row["actor"].casefold(), str(row["actor_id"])))
    return [_entry(row) for row in islice(fitting, limit)]


def _entry(row: Row) -> AuditEntry:
    return AuditEntry(**{**dict(row), "details": json.loads(row["details"])})
