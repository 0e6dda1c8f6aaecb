"""Retention: what nobody reviewed and not everybody consented to is kept for a while only.

A moderator's verdict keeps a reply (it is training material, or the memory that it must not be), and so does the
consent of everybody in it. An operator's setting is no consent here: `consent = "operator"` keeps nothing longer.
"""

from __future__ import annotations

from sqlite3 import Connection

from storage.database import writing
from storage.pairs import CONSENTED
from storage.records import Purge


def purge(db: Connection, before: str, *, after: int = 0, batch: int = 500) -> Purge:
    """Look at up to `batch` replies stored before a moment, from number `after` on, and delete those to be let go.

    One short transaction, so that the bot's own writes fit in between: call it again with `after=result.seen_to`
    until `result.done`.

    Args:
        db: an open database.
        before: a time as the store writes it.
        after: the number of the last reply that an earlier call looked at.
        batch: replies to look at.
    """
    with writing(db):
        window = [
            int(row[0])
            for row in db.execute(
                "select id from replies where source <> 'import' and id > ? and created_at < ? order by id limit ?",
                [after, before, batch],
            )
        ]
        if not window:
            return Purge(deleted=0, seen_to=after, done=True)
        # `CONSENTED` is a constant of its module, never a caller's text.
        cursor = db.execute(
            f"""
            delete from replies
            where source = 'discord' and id between ? and ? and created_at < ?
                and coalesce((
                    select verdict from reviews where reviews.reply_id = replies.id order by reviews.id desc limit 1
                ), 'undo') = 'undo'
                and (redacted = 1 or not {CONSENTED})
            """,  # noqa: S608
            [window[0], window[-1], before],
        )
    return Purge(deleted=cursor.rowcount, seen_to=window[-1], done=len(window) < batch)
