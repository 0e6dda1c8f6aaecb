"""Adapters: a row for each one that was published. The adapter directory keeps its files."""

from __future__ import annotations

import json
from sqlite3 import Connection, Row

from storage.adapter_errors import AdapterExists, AdapterMissing
from storage.database import writing
from storage.run_records import Adapter
from storage.timestamps import now


def add(db: Connection, adapter: Adapter) -> None:
    """Add the row of an adapter that has been published.

    Raises:
        AdapterExists: there is a row of this id; an adapter is never replaced.
    """
    with writing(db):
        if db.execute("select 1 from adapters where id = ?", [adapter.id]).fetchone():
            raise AdapterExists(adapter.id)
        db.execute(
            """
            insert into adapters (id, run_id, base_model, created_at, manifest, retired_at, guild_id)
            values (?, ?, ?, ?, ?, ?, ?)
            """,
            [
                adapter.id,
                adapter.run_id,
                adapter.base_model,
                adapter.created_at,
                json.dumps(adapter.manifest),
                adapter.retired_at,
                adapter.guild_id,
            ],
        )


def get(db: Connection, adapter_id: str) -> Adapter:
    """The adapter of this id, retired or not. Raises AdapterMissing."""
    for row in db.execute("select * from adapters where id = ?", [adapter_id]):
        return _adapter(row)
    raise AdapterMissing(adapter_id)


def every(db: Connection) -> list[Adapter]:
    """All adapters in the order they were added."""
    return [_adapter(row) for row in db.execute("select * from adapters order by rowid")]


def of_voice(db: Connection, guild_id: int | None) -> list[Adapter]:
    """Those of a server's own voice, or (None) of the one voice of all servers, in the order they were added."""
    return [
        _adapter(row) for row in db.execute("select * from adapters where guild_id is ? order by rowid", [guild_id])
    ]


def retire(db: Connection, adapter_id: str) -> None:
    """Take an adapter out of use for good; a second call changes nothing. Raises AdapterMissing."""
    with writing(db):
        get(db, adapter_id)
        db.execute("update adapters set retired_at = ? where id = ? and retired_at is null", [now(), adapter_id])


def _adapter(row: Row) -> Adapter:
    return Adapter(
        row["id"],
        row["run_id"],
        row["base_model"],
        row["created_at"],
        json.loads(row["manifest"]),
        row["retired_at"],
        row["guild_id"],
    )
