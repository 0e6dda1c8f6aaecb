"""The outbox: what of the store is still to be shown on Discord. Functions over an open database.

A row is written in the transaction that gives a reason for it, and removed once Discord shows what it is about; what is
left was not shown yet, whatever became of the process. A row says that something is to be brought in step, not how:
what is shown is read from the store when it is done, so doing it twice does no harm. There is one row for each reply
and kind; a newer reason takes the place of an older one under a number of its own.

Next to it, the messages of answers that are still being written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from sqlite3 import Connection, Row
from typing import Any

from storage import answers, replies
from storage.connected import Connected, method
from storage.database import writing
from storage.discord_records import Delivery, DeliveryKind, UnfinishedAnswer
from storage.timestamps import now


def put(db: Connection, reply_id: int, kind: DeliveryKind, details: Mapping[str, Any] | None = None) -> int:
    """Note that a reply's messages ("answer", "verdict") or its card ("card") are to be brought in step."""
    with writing(db):
        cursor = db.execute(
            "insert or replace into outbox (reply_id, kind, details, created_at) values (?, ?, ?, ?)",
            [reply_id, kind, json.dumps(dict(details or {})), now()],
        )
    return int(cursor.lastrowid or 0)


def waiting(db: Connection, limit: int) -> list[Delivery]:
    """The oldest rows, first those that have not failed."""
    rows = db.execute("select * from outbox order by error is not null, id limit ?", [limit])
    return [_delivery(row) for row in rows]


def of_reply(db: Connection, reply_id: int) -> list[Delivery]:
    """What is still to be shown of a reply."""
    return [_delivery(row) for row in db.execute("select * from outbox where reply_id = ? order by id", [reply_id])]


def done(db: Connection, delivery_id: int) -> None:
    """It is shown. A newer reason for the same has another number and stays."""
    with writing(db):
        db.execute("delete from outbox where id = ?", [delivery_id])


def failed(db: Connection, delivery_id: int, error: str | None) -> None:
    """It could not be shown this time; None: nothing is known to be in the way any more."""
    with writing(db):
        db.execute("update outbox set error = ? where id = ?", [error, delivery_id])


def shown(db: Connection, reply_id: int, message_ids: Sequence[int], answer: int | None) -> None:
    """These messages show a reply now, first to last; `answer` is the row that asked for it, if one did."""
    with writing(db):
        replies.set_message_id(db, reply_id, message_ids[0])
        answers.add_messages(db, reply_id, message_ids)
        db.execute("update holds set message_ids = ? where reply_id = ?", [json.dumps(list(message_ids)), reply_id])
        if answer is not None:
            done(db, answer)


def withdraw(db: Connection, reply_id: int) -> None:
    """A reply's words were removed: no card, and no words of anybody's, are left in the outbox."""
    db.execute("delete from outbox where reply_id = ? and kind = 'card'", [reply_id])
    db.execute(
        "update outbox set details = json_remove(details, '$.heading', '$.asker') where reply_id = ?", [reply_id]
    )


def add_unfinished(db: Connection, answer: UnfinishedAnswer) -> None:
    """An answer is being written; these messages show what there is of it."""
    with writing(db):
        db.execute(
            "insert or replace into growing (question_id, channel_id, message_ids, guild_id) values (?, ?, ?, ?)",
            [answer.question_id, answer.channel_id, json.dumps(list(answer.message_ids)), answer.guild_id],
        )


def remove_unfinished(db: Connection, question_id: int) -> None:
    """This request has no unfinished answer on Discord any more."""
    with writing(db):
        db.execute("delete from growing where question_id = ?", [question_id])


def unfinished(db: Connection) -> list[UnfinishedAnswer]:
    """Answers that are being written, or were when the process ended."""
    rows = db.execute("select question_id, channel_id, message_ids, guild_id from growing order by question_id")
    return [
        UnfinishedAnswer(question, channel, tuple(json.loads(ids)), guild) for question, channel, ids, guild in rows
    ]


def _delivery(row: Row) -> Delivery:
    return Delivery(row["id"], row["reply_id"], row["kind"], json.loads(row["details"]), row["error"])


class Outbox(Connected):
    """These functions on the store's connection; `Store.outbox` returns this."""

    put = method(put)
    waiting = method(waiting)
    of_reply = method(of_reply)
    done = method(done)
    failed = method(failed)
    shown = method(shown)
    add_unfinished = method(add_unfinished)
    remove_unfinished = method(remove_unfinished)
    unfinished = method(unfinished)
