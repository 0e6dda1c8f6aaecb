"""Recall entries: what can be found, with its words and its vector.

The database itself takes an entry away when its reply is no longer approved, is redacted or deleted, and notes what
has none yet. Here that is done. Vectors come from outside: the store knows no model, only its name.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from storage import state
from storage.database import writing
from storage.files.speaker_labels import unlabelled
from storage.reply_records import Turn
from storage.turns import decode_turns

_MODEL = "recall_model"


def index_due(db: Connection, limit: int = 256) -> int:
    """Make entries of up to `limit` approved replies that have none yet; returns how many still wait."""
    with writing(db):
        rows = db.execute(
            """
            select replies.id, guild_id, turns from recall_due join replies on replies.id = recall_due.reply_id
            order by replies.id desc limit ?
            """,
            [limit],
        ).fetchall()
        for reply_id, guild_id, turns in rows:
            db.execute(
                "insert or ignore into recall_entries (guild_id, reply_id, text) values (?, ?, ?)",
                [guild_id or 0, reply_id, question_of(decode_turns(turns))],
            )
            db.execute("delete from recall_due where reply_id = ?", [reply_id])
    return int(db.execute("select count(*) from recall_due").fetchone()[0])


def question_of(turns: Sequence[Turn]) -> str:
    """What was asked last, without the asker's label, which a turn has where several people speak."""
    text = turns[-1].content
    several = len({turn.author_id for turn in turns if turn.role == "user"}) > 1
    return unlabelled(text) if several else text


def is_due(db: Connection, *, vectors: bool) -> bool:
    """Whether a reply waits for its entry, or (with `vectors`) an entry for its vector."""
    waiting = db.execute("select 1 from recall_due limit 1").fetchone()
    if waiting is None and vectors:
        waiting = db.execute("select 1 from recall_unembedded limit 1").fetchone()
    return waiting is not None


def use_model(db: Connection, name: str) -> None:
    """Say which model the vectors come from. Those of another are thrown away."""
    if state.get(db, _MODEL) == name:
        return
    with writing(db):
        db.execute("delete from recall_vectors")
        db.execute("insert or ignore into recall_unembedded select id from recall_entries")
        state.put(db, _MODEL, name)


def unembedded(db: Connection, limit: int) -> list[tuple[int, str]]:
    """Entries that have no vector yet, the newest first, with the text that stands for them."""
    rows = db.execute(
        """
        select entry_id, heading, text from recall_unembedded join recall_entries on id = entry_id
        order by entry_id desc limit ?
        """,
        [limit],
    )
    return [(entry_id, f"{heading}\n{text}" if heading else text) for entry_id, heading, text in rows]


def put_vectors(db: Connection, name: str, vectors: Iterable[tuple[int, bytes]]) -> None:
    """Store vectors (float16, of unit length) of entries that are still there, made by the model `name`."""
    with writing(db):
        if state.get(db, _MODEL) != name:
            return  # another process has begun to use another model
        for entry_id, vector in vectors:
            db.execute(
                """
                insert or ignore into recall_vectors (entry_id, guild_id, documents, vector)
                select id, guild_id, document_id is not null, ? from recall_entries where id = ?
                """,
                [vector, entry_id],
            )
            db.execute("delete from recall_unembedded where entry_id = ?", [entry_id])


def version(db: Connection, guild_id: int, *, documents: bool) -> int:
    """A number that grows with each change of a server's vectors."""
    sql = "select version from recall_versions where guild_id = ? and documents = ?"
    row = db.execute(sql, [guild_id, documents]).fetchone()
    return 0 if row is None else int(row[0])


def vector_ids(db: Connection, guild_id: int, *, documents: bool) -> list[int]:
    """The entries of a server that have a vector: of its documents, or of its approved replies."""
    sql = "select entry_id from recall_vectors where guild_id = ? and documents = ? order by entry_id"
    return [int(row[0]) for row in db.execute(sql, [guild_id, documents])]


def vectors_of_replies(db: Connection, reply_ids: Sequence[int]) -> dict[int, bytes]:
    """The vectors of the questions of these replies, where they have one."""
    rows = db.execute(
        """
        select recall_entries.reply_id, vector from json_each(?) as wanted
        join recall_entries on recall_entries.reply_id = wanted.value
        join recall_vectors on recall_vectors.entry_id = recall_entries.id
        """,
        [json.dumps(list(reply_ids))],
    )
    return {int(number): bytes(vector) for number, vector in rows}


def vectors(db: Connection, entry_ids: Sequence[int]) -> list[tuple[int, bytes]]:
    """The vectors of these entries, where they are still there."""
    found = []
    for entry_id in entry_ids:
        sql = "select entry_id, vector from recall_vectors where entry_id = ?"
        found += [(int(number), bytes(vector)) for number, vector in db.execute(sql, [entry_id])]
    return found
