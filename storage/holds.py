"""Held replies: drafts that are shown on Discord only once a moderator has approved or edited them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection

from storage import answers
from storage.database import writing


def put(db: Connection, reply_id: int, message_ids: Sequence[int]) -> None:
    """Hold a reply, or store which messages show it now, first to last."""
    with writing(db):
        db.execute(
            """
            insert into holds (reply_id, message_ids) values (?, ?)
            on conflict (reply_id) do update set message_ids = excluded.message_ids
            """,
            [reply_id, json.dumps(list(message_ids))],
        )
        answers.add_messages(db, reply_id, message_ids)


def messages(db: Connection, reply_id: int) -> tuple[int, ...] | None:
    """The Discord messages of a held reply; None when it is not held."""
    for (text,) in db.execute("select message_ids from holds where reply_id = ?", [reply_id]):
        return tuple(json.loads(text))
    return None
