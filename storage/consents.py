"""Consents: who lets the bot learn from their words. Nobody has, until they say so."""

from __future__ import annotations

from sqlite3 import Connection

from storage.database import writing
from storage.member_records import Consent
from storage.timestamps import now


def get(db: Connection, user_id: int) -> Consent | None:
    """What a person has said, or None if they have said nothing (which is no consent)."""
    for row in db.execute("select * from consents where user_id = ?", [user_id]):
        return Consent(row["user_id"], bool(row["opted_in"]), row["updated_at"])
    return None


def put(db: Connection, user_id: int, opted_in: bool) -> Consent:
    """Keep what a person says now."""
    consent = Consent(user_id, opted_in, now())
    with writing(db):
        db.execute(
            """
            insert into consents (user_id, opted_in, updated_at) values (?, ?, ?)
            on conflict (user_id) do update set opted_in = excluded.opted_in, updated_at = excluded.updated_at
            """,
            [user_id, opted_in, consent.updated_at],
        )
    return consent
