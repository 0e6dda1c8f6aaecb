"""Answers: the Discord messages that show a reply, and so whom a message of the bot's answered.

A long answer has several messages, and one message may show several replies, one after the other. A message of the bot
may quote the person it answered. If that person is not known, nobody can be asked for consent.
"""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from storage.reply_records import Turn


def add_messages(db: Connection, reply_id: int, message_ids: Iterable[int]) -> None:
    """Store that these messages show a reply, besides those that are known."""
    db.executemany(
        "insert or ignore into answer_messages (message_id, reply_id) values (?, ?)",
        [(message_id, reply_id) for message_id in message_ids],
    )


def messages(db: Connection, reply_id: int) -> list[int]:
    """All Discord messages that show a reply, or did."""
    rows = db.execute("select message_id from answer_messages where reply_id = ? order by message_id", [reply_id])
    return [int(row[0]) for row in rows]


def askers(db: Connection, turns: Iterable[Turn]) -> tuple[set[int], bool]:
    """Whom the bot's turns among these answered, and whether that is known of each of them.

    It is not known of the bot's messages of an earlier home, nor of answers whose asker was forgotten or whose words
    were deleted or withdrawn.
    """
    found: set[int] = set()
    all_known = True
    for turn in turns:
        if turn.role != "assistant":
            continue
        rows = db.execute(
            """
            select asker_id, redacted from answer_messages join replies on replies.id = answer_messages.reply_id
            where answer_messages.message_id = ?
            """,
            [turn.message_id],
        ).fetchall()
        found |= {asker for asker, _ in rows if asker is not None}
        all_known &= bool(rows) and all(asker is not None and not redacted for asker, redacted in rows)
    return found, all_known
