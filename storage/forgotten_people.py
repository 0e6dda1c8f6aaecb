"""Forgotten people: nothing that they said before a certain Discord message is stored again.

Their messages may still be on Discord, and an answer may be in progress while they are forgotten. Discord's
numbers grow with time, so the number of the request to forget parts what was said before from what is said after. A
person is known by a keyed hash here: their number is asked for, and cannot be read from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from sqlite3 import Connection

from storage.redaction_rules import REDACTED
from storage.reply_records import Answered, Turn

__all__ = ["is_forgotten", "limits", "record", "withdrawn_answers", "withheld"]


def record(db: Connection, user_id: int, before: int) -> None:
    """Store nothing of a person again whose message has a number up to `before`."""
    db.execute(
        """
        insert into forgettings (person, before) values (?, ?)
        on conflict (person) do update set before = max(before, excluded.before)
        """,
        [_person(_key(db), user_id), before],
    )


def limits(db: Connection, user_ids: Iterable[int]) -> dict[int, int]:
    """For those of these people who were forgotten: up to which message number."""
    if db.execute("select 1 from forgettings limit 1").fetchone() is None:
        return {}
    key = _key(db)
    found = {}
    for user_id in set(user_ids):
        row = db.execute("select before from forgettings where person = ?", [_person(key, user_id)]).fetchone()
        if row is not None:
            found[user_id] = int(row[0])
    return found


def is_forgotten(turn: Turn, limits: dict[int, int]) -> bool:
    """Whether a person's turn was said before they were forgotten. Pure."""
    if turn.role == "assistant" or turn.author_id is None or turn.message_id is None:
        return False
    return turn.message_id <= limits.get(turn.author_id, -1)


def withdrawn_answers(db: Connection, message_ids: Collection[int]) -> set[int]:
    """Messages of the bot whose words were taken out of the store."""
    found = set()
    for message_id in message_ids:
        sql = """
            select 1 from answer_messages join replies on replies.id = answer_messages.reply_id
            where answer_messages.message_id = ? and redacted & 1 and text = ?
        """
        if db.execute(sql, [message_id, REDACTED]).fetchone():
            found.add(message_id)
    return found


def withheld(db: Connection, spoken: Iterable[Answered]) -> set[int]:
    """Numbers of those messages that are not to be shown or stored again.

    A person's words are not after they were forgotten, and no answer to what they said before, however late it came.
    """
    spoken = list(spoken)
    forgotten = limits(db, {one.person for one in spoken if one.person is not None})
    theirs = {one.message_id for one in spoken if one.person is not None and one.said <= forgotten.get(one.person, -1)}
    return theirs | withdrawn_answers(db, {one.message_id for one in spoken})


def _key(db: Connection) -> bytes:
    (key,) = db.execute("select key from forgetting_key").fetchone()
    return bytes(key)


def _person(key: bytes, user_id: int) -> str:
    return hashlib.blake2b(str(user_id).encode(), key=key, digest_size=16).hexdigest()
