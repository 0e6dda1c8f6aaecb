"""Answerability: how well what was found fitted a question, and whether its answer was left to the moderators.

Kept for each answer that something was looked up for, so that a score can be fitted on what moderators made of them.
"""

from __future__ import annotations

from sqlite3 import Connection

from storage.conditions import REVIEWED
from storage.recall_records import Reviewed


def put(db: Connection, reply_id: int, best: float, *, handed_over: bool) -> None:
    """Keep the best score of all that was found for a reply. Part of the transaction that stores it."""
    db.execute(
        "insert or replace into answerability (reply_id, best, handed_over) values (?, ?, ?)",
        [reply_id, best, handed_over],
    )


def handed_over(db: Connection, reply_id: int) -> bool:
    """Whether an answer was left to the moderators because the bot was unsure."""
    row = db.execute("select handed_over from answerability where reply_id = ?", [reply_id]).fetchone()
    return row is not None and bool(row[0])


def reviewed(db: Connection, guild_id: int, limit: int = 5000) -> list[Reviewed]:
    """What is known of a server's reviewed answers, the newest first: an edit counts as not approved."""
    rows = db.execute(
        f"""
        select best, confidence, verdict = 'approve' from {REVIEWED}
        join answerability on answerability.reply_id = replies.id
        where replies.guild_id = ? and redacted = 0 and verdict in ('approve', 'edit', 'reject')
        order by replies.id desc limit ?
        """,  # noqa: S608 - a constant
        [guild_id, limit],
    )
    return [Reviewed(float(best), confidence, bool(approved)) for best, confidence, approved in rows]
