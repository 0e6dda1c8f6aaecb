"""Servers that the bot has left: since when, and the deletion of all that is kept of one.

Replies that an adapter of other servers has seen are emptied and marked as withdrawn, so that it is trained anew
without them (storage/lineage.py). Everything else of the server goes: pairs, documents, settings, votes, audit, runs,
adapters and promotions. The files of its adapters are the caller's to delete, first.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from sqlite3 import Connection

from storage import audit, erasure, samples
from storage.audit_records import Act
from storage.database import writing
from storage.retention import empty
from storage.timestamps import now

__all__ = ["Deleted", "delete", "due", "joined", "known", "left", "returned"]

# What an adapter of another voice has seen, or may have seen when a run in progress ends.
_SEEN_ELSEWHERE = """
    exists (
        select 1 from run_replies join runs on runs.id = run_replies.run_id
        left join adapters on adapters.run_id = runs.id
        where replies.id between run_replies.first_id and run_replies.last_id and runs.guild_id is not replies.guild_id
            and iif(adapters.id is null, runs.outcome is null, adapters.retired_at is null)
    )
"""

_OF_SERVER = (
    "delete from documents where guild_id = :guild",
    "delete from recall_entries where guild_id = :guild",
    "delete from recall_versions where guild_id = :guild",
    "delete from guild_settings where guild_id = :guild",
    "delete from posts where guild_id = :guild",
    "delete from votes where guild_id = :guild or run_id in (select id from runs where guild_id = :guild)",
    "delete from undoings where guild_id = :guild",
    "delete from promotions where guild_id = :guild",
    "delete from adapters where guild_id = :guild",
    "delete from runs where guild_id = :guild",
    "delete from audit where guild_id = :guild",
    "delete from joined_servers where guild_id = :guild",
    "delete from left_servers where guild_id = :guild",
)


@dataclass(frozen=True, slots=True)
class Deleted:
    """One step of deleting a server: replies that went, and whether everything is gone."""

    replies: int
    done: bool


def left(db: Connection, guild_ids: Collection[int], at: str | None = None) -> None:
    """The bot is no longer on these servers, since `at` (by default now), where that was not known already."""
    with writing(db):
        db.executemany(
            "insert or ignore into left_servers (guild_id, left_at) values (?, ?)",
            [(guild_id, at or now()) for guild_id in guild_ids],
        )


def returned(db: Connection, guild_ids: Collection[int], application_id: int) -> None:
    """The bot of this application is on these servers (again): nothing of them is deleted."""
    with writing(db):
        db.executemany("delete from left_servers where guild_id = ?", [(guild_id,) for guild_id in guild_ids])
        db.executemany(
            "insert or ignore into joined_servers (guild_id, application_id) values (?, ?)",
            [(guild_id, application_id) for guild_id in guild_ids],
        )


def known(db: Connection) -> set[int]:
    """The servers of which anything is kept."""
    tables = ("replies", "documents", "guild_settings", "adapters", "runs")
    asked = " union ".join(f"select guild_id from {table} where guild_id is not null" for table in tables)  # noqa: S608
    return {int(row[0]) for row in db.execute(asked)}


def joined(db: Connection, application_id: int) -> set[int]:
    """Of these, the ones that this bot was on. It has not left what only another bot or an import knows."""
    rows = db.execute("select guild_id from joined_servers where application_id = ?", [application_id])
    return {int(row[0]) for row in rows} & known(db)


def due(db: Connection, before: str) -> dict[int, list[str]]:
    """The servers that the bot left before a moment, each with the ids of its adapters and runs."""
    rows = db.execute("select guild_id from left_servers where left_at < ? order by guild_id", [before]).fetchall()
    files = "select id from adapters where guild_id = :guild union select id from runs where guild_id = :guild"
    return {int(guild_id): [row[0] for row in db.execute(files, {"guild": guild_id})] for (guild_id,) in rows}


def delete(db: Connection, guild_id: int, batch: int = 500) -> Deleted:
    """Delete what is kept of a server, up to `batch` replies at a time: call it until it is done.

    A short transaction each time, so that the bot's own writes fit in between. Once the bot has returned, nothing more
    is deleted.
    """
    values = {"guild": guild_id, "batch": batch}
    rows = db.execute(
        f"""
        select id, {_SEEN_ELSEWHERE} from replies
        where guild_id = :guild and (redacted & 2 = 0 or not {_SEEN_ELSEWHERE}) order by id limit :batch
        """,  # noqa: S608
        values,
    ).fetchall()
    with writing(db):
        if not db.execute("select 1 from left_servers where guild_id = ?", [guild_id]).fetchone():
            return Deleted(0, done=True)
        for reply_id, seen in rows:
            if seen:
                empty(db, reply_id)
                db.execute("update replies set redacted = redacted | 1 where id = ?", [reply_id])
            else:
                db.execute("delete from replies where id = ?", [reply_id])
        done = len(rows) < batch
        if done:
            for statement in _OF_SERVER:
                db.execute(statement, values)
            audit.insert_act(db, Act(None, "nightshift", "server.delete", str(guild_id)))
        samples.withdraw(db)
        erasure.request(db)
    if done:
        erasure.carry_out(db)
    return Deleted(len(rows), done)
