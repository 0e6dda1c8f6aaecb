"""Replies: what the bot said, with the messages it was shown. Functions over an open database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from sqlite3 import Connection, Row

from storage import answers, forgotten_people, origins, recalled, word_hashes
from storage.conditions import WAITING
from storage.database import writing
from storage.fingerprints import content_hash
from storage.recall_records import Recalled
from storage.redaction_rules import REDACTED, RemovedWords, redact_turns
from storage.reply_records import Answered, NewReply, Reply, Turn
from storage.review_errors import ReplyNotFound
from storage.timestamps import now
from storage.turns import authors_are_known, authors_of, decode_turns, encode_turns, messages_of


def add(db: Connection, new: NewReply, shown_in: Sequence[int] = (), recall: Sequence[Recalled] = ()) -> int:
    """Store a reply; it waits for a verdict. Returns its number.

    `shown_in` are all Discord messages that show it, where there is more than the first; `recall` is what else its
    prompt was shown. Words of somebody who was forgotten since they said them are not stored: the reply is redacted
    from the start.

    Raises:
        ValueError: the turns do not end with a user turn, so nothing was answered.
    """
    if not new.turns or new.turns[-1].role != "user":
        raise ValueError("a reply's turns end with a user turn")
    with writing(db):
        if new.source == "discord":
            word_hashes.add(db, new.turns, new.text)
        new, redacted = _as_may_be_kept(db, new)
        if recalled.is_gone(db, recall):
            new, redacted, recall = replace(new, text=REDACTED), True, ()
        answered, traced = answers.askers(db, new.turns)
        answered |= {one.person for one in new.answered if one.person is not None}
        cursor = db.execute(
            """
            insert into replies (id, source, conversation, turns, text, adapter, base_model, guild_id, channel_id,
                message_id, asker_id, prompt_message_id, finish_reason, confidence, created_at, authors_known,
                content_hash, redacted, origins)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            (
                last_number(db) + 1,
                new.source,
                new.conversation,
                encode_turns(new.turns),
                new.text,
                new.adapter,
                new.base_model,
                new.guild_id,
                new.channel_id,
                new.message_id,
                new.asker_id,
                new.prompt_message_id,
                new.finish_reason,
                new.confidence,
                now(),
                authors_are_known(new.turns) and traced,
                None if redacted else content_hash(new.turns, new.text),
                redacted,
                _origins(db, new),
            ),
        )
        reply_id = int(cursor.lastrowid or 0)
        db.executemany(
            "insert into reply_authors (reply_id, user_id) values (?, ?)",
            # The bot's answer to somebody, shown here again, may quote them: this needs their consent too.
            [(reply_id, author) for author in authors_of(new.turns, new.asker_id) | answered],
        )
        recalled.add(db, reply_id, recall)
        answers.add_messages(db, reply_id, [*([] if new.message_id is None else [new.message_id]), *shown_in])
        db.executemany(
            "insert into reply_messages (reply_id, message_id) values (?, ?)",
            [(reply_id, message) for message in messages_of(new.turns, new.prompt_message_id)],
        )
    return reply_id


def _origins(db: Connection, new: NewReply) -> int:
    """Of all that the prompt is made of, as one number."""
    shown = origins.of_answers(db, new.turns) if new.source == "discord" else 0
    return shown | origins.bits_of(origins.origin_of(turn, new.source) for turn in new.turns)


def _as_may_be_kept(db: Connection, new: NewReply) -> tuple[NewReply, bool]:
    """A reply without the words of people forgotten meanwhile and answers withdrawn; whether there were any."""
    forgotten = forgotten_people.limits(db, authors_of(new.turns, new.asker_id))
    shown = {turn.message_id for turn in new.turns if turn.role == "assistant" and turn.message_id is not None}
    known = {one.message_id: one for one in new.answered}
    withdrawn = forgotten_people.withheld(db, [known.get(one, Answered(one, None, one)) for one in shown])

    def gone(turn: Turn) -> bool:
        if turn.role == "assistant":
            return turn.message_id in withdrawn
        return forgotten_people.is_forgotten(turn, forgotten)

    if not any(map(gone, new.turns)):
        return new, False
    blanked = redact_turns(new.turns, new.text, gone, RemovedWords())
    kept = replace(new, turns=blanked.turns, text=REDACTED if blanked.answer_gone else new.text)
    if gone(new.turns[-1]):
        kept = replace(kept, asker_id=None, prompt_message_id=None)
    return kept, True


def last_number(db: Connection) -> int:
    """The highest number that a reply ever had; none is given twice."""
    row = db.execute("""
        select max(coalesce((select max(id) from replies), 0),
            coalesce((select cast(value as integer) from bot_state where name = 'last_reply'), 0))
    """).fetchone()
    return int(row[0])


def get(db: Connection, reply_id: int) -> Reply:
    """The reply of this number. Raises ReplyNotFound."""
    for row in db.execute("select * from replies where id = ?", [reply_id]):
        return read_row(row)
    raise ReplyNotFound(reply_id)


def people(db: Connection, reply_id: int) -> frozenset[int]:
    """Everybody whose consent a reply needs."""
    rows = db.execute("select user_id from reply_authors where reply_id = ?", [reply_id])
    return frozenset(int(row[0]) for row in rows)


def by_message(db: Connection, message_id: int) -> Reply | None:
    """The reply that this Discord message shows: the newest, where it showed others before."""
    sql = """
        select replies.* from answer_messages join replies on replies.id = answer_messages.reply_id
        where answer_messages.message_id = ? order by replies.id desc limit 1
    """
    for row in db.execute(sql, [message_id]):
        return read_row(row)
    return None


def extend(
    db: Connection,
    reply_id: int,
    text: str,
    *,
    finish_reason: str,
    confidence: float | None,
    adapter: str | None,
    shown_in: Sequence[int] = (),
    recall: Sequence[Recalled] = (),
) -> bool:
    """Let a reply that broke off say `text` from now on, the whole of it; see `add` for the rest.

    Only while it waits for its first verdict and was made by the same adapter: a verdict is about the words that were
    read, and one reply has one adapter. Returns whether it was done.
    """
    with writing(db):
        row = db.execute(
            f"""
            select * from replies where id = ? and adapter is ? and {WAITING}
                and not exists (select 1 from reviews where reply_id = replies.id)
                and not exists (select 1 from holds where reply_id = replies.id)
            """,  # noqa: S608
            [reply_id, adapter],
        ).fetchone()
        if row is None or recalled.is_gone(db, recall):
            return False
        recalled.add(db, reply_id, recall)
        db.execute(
            "update replies set text = ?, finish_reason = ?, confidence = ?, content_hash = ? where id = ?",
            [text, finish_reason, confidence, content_hash(read_row(row).turns, text), reply_id],
        )
        answers.add_messages(db, reply_id, shown_in)
        if row["source"] == "discord":
            word_hashes.add(db, (), text)
    return True


def set_message_id(db: Connection, reply_id: int, message_id: int) -> None:
    """Say which Discord message holds a reply. Raises ReplyNotFound."""
    with writing(db):
        cursor = db.execute("update replies set message_id = ? where id = ?", [message_id, reply_id])
        if cursor.rowcount == 0:
            raise ReplyNotFound(reply_id)
        answers.add_messages(db, reply_id, [message_id])


def recent_pending(db: Connection, limit: int, *, newest: bool = True) -> list[Reply]:
    """Up to `limit` replies that have no verdict yet, newest (or oldest) first."""
    direction = "desc" if newest else "asc"
    # `direction` is one of two words, never a caller's text.
    sql = f"""
        select * from replies
        where {WAITING}
        order by id {direction} limit ?
    """  # noqa: S608
    return [read_row(row) for row in db.execute(sql, [limit])]


def read_row(row: Row) -> Reply:
    """A row of the table as the record."""
    return Reply(
        id=row["id"],
        source=row["source"],
        conversation=row["conversation"],
        turns=decode_turns(row["turns"]),
        text=row["text"],
        adapter=row["adapter"],
        base_model=row["base_model"],
        guild_id=row["guild_id"],
        channel_id=row["channel_id"],
        message_id=row["message_id"],
        asker_id=row["asker_id"],
        prompt_message_id=row["prompt_message_id"],
        finish_reason=row["finish_reason"],
        confidence=row["confidence"],
        created_at=row["created_at"],
        redacted=bool(row["redacted"]),
    )
