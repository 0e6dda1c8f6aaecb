"""Reviews: moderators' verdicts on replies. Rows are only added; the latest counts, unless it takes one back."""

from __future__ import annotations

from sqlite3 import Connection, Row
from typing import get_args

from storage import outbox, replies
from storage.database import writing
from storage.fingerprints import content_hash
from storage.review_errors import EditEmpty, NothingToUndo, ReplyRedacted
from storage.review_records import Review, Verdict
from storage.timestamps import now


def add(
    db: Connection,
    reply_id: int,
    verdict: Verdict,
    *,
    reviewer: str,
    reviewer_id: int | None = None,
    edited_text: str | None = None,
    reason: str | None = None,
) -> Review:
    """Add a verdict; it counts until a later one. What it changes on Discord is put in the outbox with it.

    Raises:
        ReplyNotFound: there is no such reply.
        ReplyRedacted: words were removed from it, so nothing can be learned from it.
        EditEmpty: an edit without text.
        NothingToUndo: there is no verdict to take back.
        ValueError: an unknown verdict, or text with a verdict that is not an edit.
    """
    if verdict not in get_args(Verdict):
        raise ValueError(f"a verdict is one of {', '.join(get_args(Verdict))}, not {verdict!r}")
    if verdict == "edit" and not (edited_text or "").strip():
        raise EditEmpty(reply_id)
    if verdict != "edit" and edited_text is not None:
        raise ValueError(f"only an edit has a text; this verdict is {verdict!r}")
    with writing(db):
        reply = replies.get(db, reply_id)
        if reply.redacted:
            raise ReplyRedacted(reply_id)
        if verdict == "undo" and latest(db, reply_id) is None:
            raise NothingToUndo(reply_id)
        edited_hash = None if edited_text is None else content_hash(reply.turns, edited_text)
        created_at = now()
        cursor = db.execute(
            """
            insert into reviews
                (reply_id, verdict, edited_text, reason, reviewer_id, reviewer, created_at, content_hash)
            values (?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [reply_id, verdict, edited_text, reason, reviewer_id, reviewer, created_at, edited_hash],
        )
        review_id = int(cursor.lastrowid or 0)
        if reply.source == "discord":
            outbox.put(db, reply_id, "verdict")
    return Review(review_id, reply_id, verdict, edited_text, reason, reviewer_id, reviewer, created_at)


def judge(
    db: Connection,
    reply_id: int,
    verdict: Verdict,
    *,
    reviewer: str,
    reviewer_id: int,
    edited_text: str | None = None,
    reason: str | None = None,
) -> tuple[Review | None, Review]:
    """Add a verdict; returns the one before it, and the new one. Raises what `add` does."""
    with writing(db):
        before = latest(db, reply_id)
        return before, add(
            db,
            reply_id,
            verdict,
            reviewer=reviewer,
            reviewer_id=reviewer_id,
            edited_text=edited_text,
            reason=reason,
        )


def latest(db: Connection, reply_id: int) -> Review | None:
    """The verdict on a reply; None if there was none, or the last was taken back."""
    sql = "select * from reviews where reply_id = ? order by id desc limit 1"
    for row in db.execute(sql, [reply_id]):
        return _review(row) if row["verdict"] != "undo" else None
    return None


def of_reply(db: Connection, reply_id: int) -> list[Review]:
    """Every verdict on a reply, oldest first."""
    return [_review(row) for row in db.execute("select * from reviews where reply_id = ? order by id", [reply_id])]


def _review(row: Row) -> Review:
    return Review(
        row["id"],
        row["reply_id"],
        row["verdict"],
        row["edited_text"],
        row["reason"],
        row["reviewer_id"],
        row["reviewer"],
        row["created_at"],
    )
