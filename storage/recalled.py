"""Recalled: what the prompt of a reply was shown of other replies and of documents. Kept by number, never copied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection

from storage.origins import BITS
from storage.recall_records import Recalled


def add(db: Connection, reply_id: int, shown: Sequence[Recalled]) -> None:
    """Keep what a reply's prompt was shown. Part of the transaction that stores the reply.

    All whose words it was shown have to consent before it is learned from, and is found in it when they are forgotten;
    and the origins of those words count as the prompt's own.
    """
    (first,) = db.execute(
        "select coalesce(max(position) + 1, 0) from recalled where reply_id = ?", [reply_id]
    ).fetchone()
    db.executemany(
        "insert into recalled (reply_id, position, example_id, entry_id, score, tokens) values (?, ?, ?, ?, ?, ?)",
        [
            (reply_id, position, one.example_id, one.entry_id, one.score, one.tokens)
            for position, one in enumerate(shown, start=first)
        ],
    )
    db.execute(
        """
        insert or ignore into reply_authors (reply_id, user_id)
        select ?1, user_id from recalled join reply_authors on reply_authors.reply_id = recalled.example_id
        where recalled.reply_id = ?1
        union select ?1, author_id from recalled join recall_entries on recall_entries.id = recalled.entry_id
        where recalled.reply_id = ?1 and author_id is not null
        union select ?1, user_id from recalled join recall_askers on recall_askers.entry_id = recalled.entry_id
        where recalled.reply_id = ?1
        """,
        [reply_id],
    )
    if _is_of_unknown(db, reply_id):
        db.execute("update replies set authors_known = 0 where id = ?", [reply_id])
    origins = _origins(db, reply_id)
    if origins:
        db.execute("update replies set origins = origins | ? where id = ?", [origins, reply_id])


def _is_of_unknown(db: Connection, reply_id: int) -> bool:
    """Whether a reply's prompt was shown words from Discord whose people are not all known."""
    found = db.execute(
        """
        select 1 from recalled join replies on replies.id = recalled.example_id
        where recalled.reply_id = ?1 and replies.source = 'discord' and not replies.authors_known
        union all
        select 1 from recalled join recall_entries on recall_entries.id = recalled.entry_id
        where recalled.reply_id = ?1 and recall_entries.message_id is not null and author_id is null
            and not exists (select 1 from recall_askers where recall_askers.entry_id = recall_entries.id)
        """,
        [reply_id],
    )
    return found.fetchone() is not None


def _origins(db: Connection, reply_id: int) -> int:
    """Where the words came from that a reply's prompt was shown, as one number: the answer may quote them."""
    rows = db.execute(
        """
        select replies.origins | iif(replies.standing = 'edit', ?2, iif(replies.source = 'import', 0, ?5))
        from recalled join replies on replies.id = recalled.example_id where recalled.reply_id = ?1
        union all
        select case when recall_entries.message_id is not null then ?3 | iif(author_id is null, ?5, 0)
            when kind = 'fact' then ?2 else ?4 end
        from recalled join recall_entries on recall_entries.id = recalled.entry_id
        join documents on documents.id = recall_entries.document_id where recalled.reply_id = ?1
        """,
        [reply_id, BITS["moderator"], BITS["message"], BITS["import"], BITS["bot"]],
    )
    found = 0
    for (bits,) in rows:
        found |= int(bits)
    return found


def of_reply(db: Connection, reply_id: int) -> list[Recalled]:
    """What a reply's prompt was shown, the first first."""
    sql = "select score, tokens, example_id, entry_id from recalled where reply_id = ? order by position"
    return [Recalled(*row) for row in db.execute(sql, [reply_id])]


def examples_of(db: Connection, reply_ids: Sequence[int]) -> dict[int, list[int]]:
    """Of these replies, those whose prompts were shown other replies, with their numbers, the best first."""
    rows = db.execute(
        """
        select recalled.reply_id, example_id from json_each(?) as wanted
        join recalled on recalled.reply_id = wanted.value
        where example_id is not null order by recalled.reply_id, position
        """,
        [json.dumps(list(reply_ids))],
    )
    found: dict[int, list[int]] = {}
    for reply_id, example in rows:
        found.setdefault(int(reply_id), []).append(int(example))
    return found


def is_gone(db: Connection, shown: Sequence[Recalled]) -> bool:
    """Whether any of it was removed meanwhile: nobody knows any more which words the answer must not repeat."""
    return not all(_is_there(db, one) for one in shown)


def shown_to(db: Connection, column: str, number: int) -> list[int]:
    """The replies whose prompts were shown an example (`example_id`) or an entry of a document (`entry_id`)."""
    # `column` is one of these two constants.
    return [int(row[0]) for row in db.execute(f"select reply_id from recalled where {column} = ?", [number])]  # noqa: S608


def _is_there(db: Connection, one: Recalled) -> bool:
    if one.example_id is None:
        return db.execute("select 1 from recall_entries where id = ?", [one.entry_id]).fetchone() is not None
    row = db.execute("select redacted from replies where id = ?", [one.example_id]).fetchone()
    return row is not None and not row[0]
