"""Votes: which of two adapters a moderator found better, seen blind, on one sampled question of a run."""

from __future__ import annotations

from sqlite3 import Connection
from typing import get_args

from storage.database import writing
from storage.run_records import Preference
from storage.timestamps import now


def put(db: Connection, run_id: str, sample: int, preference: Preference, *, voter_id: int, guild_id: int) -> None:
    """Keep a vote. A second one of the same person replaces the first."""
    with writing(db):
        db.execute(
            """
            insert into votes (run_id, sample, voter_id, guild_id, preference, created_at) values (?, ?, ?, ?, ?, ?)
            on conflict (run_id, sample, voter_id)
                do update set preference = excluded.preference, created_at = excluded.created_at
            """,
            [run_id, sample, voter_id, guild_id, preference, now()],
        )


def tally(db: Connection, run_id: str, guild_id: int) -> dict[Preference, int]:
    """How a server voted on a run, over all its questions."""
    rows = dict(
        db.execute(
            "select preference, count(*) from votes where run_id = ? and guild_id = ? group by preference",
            [run_id, guild_id],
        ).fetchall()
    )
    return {preference: rows.get(preference, 0) for preference in get_args(Preference)}
