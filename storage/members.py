"""Members: what the store holds of one person, all of it for them to read, and whether they were told how it works."""

from __future__ import annotations

from collections.abc import Iterator
from sqlite3 import Connection
from typing import Any

from storage import consents, replies
from storage.database import writing
from storage.member_records import MemberData
from storage.redaction_rules import REDACTED
from storage.reply_records import Reply, Turn
from storage.timestamps import now
from storage.turns import said_completion


def introduced(db: Connection, user_id: int) -> bool:
    """Whether a person was told how learning works, or has decided already."""
    told = db.execute("select 1 from introductions where user_id = ?", [user_id]).fetchone()
    return told is not None or consents.get(db, user_id) is not None


def introduce(db: Connection, user_id: int) -> bool:
    """Whether a person is still to be told how learning works: once, and not if they have decided already."""
    with writing(db):
        if consents.get(db, user_id) is not None:
            return False
        cursor = db.execute("insert or ignore into introductions (user_id, created_at) values (?, ?)", [user_id, now()])
        return cursor.rowcount == 1


def member_data(db: Connection, user_id: int) -> MemberData:
    """How much the store holds of one person."""
    consent = consents.get(db, user_id)
    messages: set[int] = set()
    unnumbered = answers = conversations = 0
    for reply in _replies(db, user_id):
        theirs = _said(reply, user_id)
        messages.update(turn.message_id for turn in theirs if turn.message_id is not None)
        unnumbered += sum(turn.message_id is None for turn in theirs)
        answers += reply.asker_id == user_id
        conversations += bool(theirs) or reply.asker_id == user_id
    messages.update(
        row[0] for row in db.execute("select message_id from recall_entries where author_id = ?", [user_id]) if row[0]
    )
    (adapters,) = db.execute(
        """
        select count(*) from adapters where retired_at is null and exists (
            select 1 from run_replies join reply_authors
                on reply_authors.reply_id between run_replies.first_id and run_replies.last_id
            where run_replies.run_id = adapters.run_id and reply_authors.user_id = ?
        )
        """,
        [user_id],
    ).fetchone()
    return MemberData(
        opted_in=None if consent is None else consent.opted_in,
        messages=len(messages) + unnumbered,
        answers=answers,
        conversations=conversations,
        adapters=adapters,
    )


def export(db: Connection, user_id: int) -> dict[str, Any]:
    """Everything stored of one person, ready for JSON: their words and the answers to them, nobody else's words."""
    consent = consents.get(db, user_id)
    introduced = db.execute("select created_at from introductions where user_id = ?", [user_id]).fetchone()
    conversations = []
    for reply in _replies(db, user_id):
        theirs = [{"content": turn.content, "message_id": turn.message_id} for turn in _said(reply, user_id)]
        asked = reply.asker_id == user_id
        if theirs or asked:
            conversations.append(
                {
                    "reply": reply.id,
                    "stored_at": reply.created_at,
                    "server_id": reply.guild_id,
                    "channel_id": reply.channel_id,
                    "your_messages": theirs,
                    "answer_to_you": reply.text if asked else None,
                    "adapter": reply.adapter,
                }
            )
    return {
        "user_id": user_id,
        "exported_at": now(),
        "learning": None if consent is None else {"opted_in": consent.opted_in, "since": consent.updated_at},
        "told_how_learning_works_at": introduced[0] if introduced else None,
        "conversations": conversations,
        "in_documents": _in_documents(db, user_id),
        "reviews_you_gave": [
            dict(row)
            for row in db.execute(
                """
                select reply_id as reply, verdict, edited_text, reason, created_at from reviews
                where reviewer_id = ? order by id
                """,
                [user_id],
            )
        ],
        "votes_you_gave": [
            dict(row)
            for row in db.execute(
                "select run_id as run, sample, preference, created_at from votes where voter_id = ?", [user_id]
            )
        ],
        "acts_of_yours": [
            dict(row)
            for row in db.execute(
                "select action, subject, created_at from audit where actor_id = ? order by id", [user_id]
            )
        ],
    }


def _said(reply: Reply, user_id: int) -> list[Turn]:
    """A person's words. In an import of what was said on Discord they may be the completion, too."""
    said = [turn for turn in reply.turns if turn.author_id == user_id]
    if said_completion(reply, user_id) and reply.text != REDACTED:
        said.append(Turn("assistant", reply.text, user_id))
    return said


def _in_documents(db: Connection, user_id: int) -> list[dict[str, Any]]:
    """What documents hold of a person's messages, and of answers to them."""
    sql = """
        select document_id as document, guild_id as server_id, message_id, heading, text,
            author_id is null as is_answer_to_you
        from recall_entries where document_id is not null
            and (author_id = ?1 or id in (select entry_id from recall_askers where user_id = ?1)) order by id
    """
    return [dict(row) | {"is_answer_to_you": bool(row["is_answer_to_you"])} for row in db.execute(sql, [user_id])]


def _replies(db: Connection, user_id: int) -> Iterator[Reply]:
    """The replies that show a person's words, or answered them."""
    numbers = db.execute("select reply_id from reply_authors where user_id = ? order by reply_id", [user_id]).fetchall()
    return (replies.get(db, row[0]) for row in numbers)
