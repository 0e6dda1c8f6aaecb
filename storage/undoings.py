"""Undoings: everything that one moderator decided since a time is taken back at once, and can be put back.

Reviews are only added: what a moderator decided gets a later row, which is the verdict that stood before, or "undo". A
pair that they let out of quarantine waits again. Adapters that learned from their verdicts are marked, as after a
withdrawal. Which rows an undoing added is kept, so that it can be reversed where nobody has decided anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from sqlite3 import Connection, Row

from storage import audit, lineage, outbox
from storage.database import writing
from storage.review_errors import NoVerdicts, UndoingGone
from storage.review_records import Undoing
from storage.timestamps import now

_THEIRS = "reviews.reviewer_id = :moderator and reviews.created_at >= :since"
# Replies whose latest review is theirs. Redacted ones are passed over: they teach nothing and take no verdict.
_JUDGED = f"""
    select replies.id as reply_id, replies.source, reviews.id as review_id from replies
    join reviews on reviews.id = (select max(id) from reviews as latest where latest.reply_id = replies.id)
    where replies.redacted = 0 and {_THEIRS} and (:guild is null or replies.guild_id = :guild)
    order by replies.id
"""  # noqa: S608
_BEFORE = f"""
    select * from reviews where reply_id = :reply and not ({_THEIRS}) order by id desc limit 1
"""  # noqa: S608
_DECIDED = """
    select quarantine.* from quarantine join replies on replies.id = quarantine.reply_id
    where decided_by_id = :moderator and decided_at >= :since and state <> 'held'
        and (:guild is null or replies.guild_id = :guild)
"""


def undo(
    db: Connection,
    moderator_id: int,
    since: str,
    *,
    actor: str,
    actor_id: int | None = None,
    guild_id: int | None = None,
) -> Undoing:
    """Take back every verdict and quarantine decision of a moderator since a time that still counts.

    Args:
        db: an open database.
        moderator_id: their Discord id.
        since: UTC in ISO 8601, as in the records.
        actor: who takes them back, for the record; the id is None for the operator.
        actor_id: their Discord id.
        guild_id: of one server only; None, of all.

    Raises:
        NoVerdicts: there is nothing of theirs to take back.
    """
    values: dict[str, int | str | None] = {"moderator": moderator_id, "since": since, "guild": guild_id}
    with writing(db):
        judged, decided = db.execute(_JUDGED, values).fetchall(), db.execute(_DECIDED, values).fetchall()
        before = set(lineage.marked(db))
        moment = now()
        cursor = db.execute(
            "insert into undoings (moderator_id, guild_id, since, actor, created_at) values (?, ?, ?, ?, ?)",
            [moderator_id, guild_id, since, actor, moment],
        )
        number = int(cursor.lastrowid or 0)
        add = partial(_take_back, db, number, values=values, actor=actor, actor_id=actor_id, moment=moment)
        replies = [row["reply_id"] for row in judged if add(row)]
        for row in decided:
            _hold_again(db, number, row)
        if not replies and not decided:
            raise NoVerdicts(moderator_id)
        adapters = tuple(sorted(set(lineage.marked(db)) - before))
        details = {"since": since, "verdicts": len(replies), "decisions": len(decided), "adapters": list(adapters)}
        audit.insert(db, actor_id, actor, "pairs.undo_moderator", str(moderator_id), guild_id=guild_id, details=details)
    return Undoing(number, tuple(replies), len(decided), adapters)


def reverse(
    db: Connection, number: int, *, actor: str, actor_id: int | None = None, guild_id: int | None = None
) -> Undoing:
    """Put back what an undoing took back, but for what was decided anew since.

    Adapters that were retired meanwhile stay retired; the others are no longer marked.

    Raises:
        UndoingGone: there is none of this number (on this server), or it was reversed already.
    """
    with writing(db):
        found = db.execute(
            "select id from undoings where id = ?1 and reversed_at is null and (?2 is null or guild_id = ?2)",
            [number, guild_id],
        ).fetchone()
        if found is None:
            raise UndoingGone(number)
        before, moment = set(lineage.marked(db)), now()
        rows = db.execute("select * from undone_reviews where undoing_id = ? order by reply_id", [number]).fetchall()
        replies = tuple(row["reply_id"] for row in rows if _put_back(db, row))
        decided = sum(_decide_again(db, row) for row in _decisions(db, number))
        db.execute("update undoings set reversed_at = ? where id = ?", [moment, number])
        adapters = tuple(sorted(before - set(lineage.marked(db))))
        details = {"verdicts": len(replies), "decisions": decided, "adapters": list(adapters)}
        audit.insert(db, actor_id, actor, "pairs.redo_moderator", str(number), guild_id=guild_id, details=details)
    return Undoing(number, replies, decided, adapters)


def _take_back(
    db: Connection,
    number: int,
    row: Row,
    *,
    values: Mapping[str, int | str | None],
    actor: str,
    actor_id: int | None,
    moment: str,
) -> bool:
    """Add what stood before a verdict; whether there was anything to take back."""
    former = db.execute(_BEFORE, {**values, "reply": row["reply_id"]}).fetchone()
    (verdict,) = db.execute("select verdict from reviews where id = ?", [row["review_id"]]).fetchone()
    if former is not None and former["verdict"] != "undo":
        placed = _copied(db, former)
    elif verdict != "undo":
        cursor = db.execute(
            "insert into reviews (reply_id, verdict, reviewer_id, reviewer, created_at) values (?, 'undo', ?, ?, ?)",
            [row["reply_id"], actor_id, actor, moment],
        )
        placed = int(cursor.lastrowid or 0)
    else:
        return False
    db.execute(
        "insert into undone_reviews (undoing_id, reply_id, review_id, placed_id) values (?, ?, ?, ?)",
        [number, row["reply_id"], row["review_id"], placed],
    )
    _show(db, row["reply_id"], row["source"])
    return True


def _put_back(db: Connection, row: Row) -> bool:
    """Give a verdict again that was taken back, unless there is a later one."""
    latest = db.execute("select max(id) from reviews where reply_id = ?", [row["reply_id"]]).fetchone()[0]
    theirs = db.execute("select * from reviews where id = ?", [row["review_id"]]).fetchone()
    reply = db.execute("select source, redacted from replies where id = ?", [row["reply_id"]]).fetchone()
    if latest != row["placed_id"] or theirs is None or reply["redacted"]:
        return False
    _copied(db, theirs)
    _show(db, row["reply_id"], reply["source"])
    return True


def _copied(db: Connection, review: Row) -> int:
    """The same verdict once more, as a later row of the same time: it is not decided anew."""
    names = ("reply_id", "verdict", "edited_text", "reason", "reviewer_id", "reviewer", "content_hash", "created_at")
    cursor = db.execute(
        f"insert into reviews ({', '.join(names)}) values (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [review[name] for name in names],
    )
    return int(cursor.lastrowid or 0)


def _show(db: Connection, reply_id: int, source: str) -> None:
    if source == "discord":
        outbox.put(db, reply_id, "verdict")


def _hold_again(db: Connection, number: int, row: Row) -> None:
    """Let a pair wait again that they decided about."""
    names = ("reply_id", "words", "state", "decided_by", "decided_by_id", "decided_at")
    db.execute(
        f"insert into undone_decisions (undoing_id, {', '.join(names)}) values (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        [number, *(row[name] for name in names)],
    )
    db.execute(
        """
        update quarantine set state = 'held', decided_by = null, decided_by_id = null, decided_at = null
        where reply_id = ?
        """,
        [row["reply_id"]],
    )


def _decisions(db: Connection, number: int) -> list[Row]:
    return db.execute("select * from undone_decisions where undoing_id = ?", [number]).fetchall()


def _decide_again(db: Connection, row: Row) -> int:
    """Whether a decision could be put back: nobody has decided since, and the words are the same."""
    cursor = db.execute(
        """
        update quarantine set state = ?, decided_by = ?, decided_by_id = ?, decided_at = ?
        where reply_id = ? and words = ? and state = 'held'
        """,
        [
            row["state"],
            row["decided_by"],
            row["decided_by_id"],
            row["decided_at"],
            row["reply_id"],
            row["words"],
        ],
    )
    return cursor.rowcount
