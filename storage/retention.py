"""Retention: what nobody reviewed and not everybody consented to is kept for a while only.

A moderator's verdict keeps a reply (it is training material, or the memory that it must not be), and so does the
consent of everybody in it. An operator's setting is no consent here: `consent = "operator"` keeps nothing longer.

What an adapter has seen is emptied, not deleted: the row has no words and still says whose they were, so that the
adapter is retired if they ask to be forgotten. Nor is a withdrawn answer, whose message may still be on Discord.
"""

from __future__ import annotations

from sqlite3 import Connection

from storage import erasure, outbox, posts, samples
from storage.database import writing
from storage.member_records import Purge
from storage.pairs import CONSENTED
from storage.redaction_rules import REDACTED

# What an adapter in use or in reserve has seen, or may have seen when a run in progress ends.
_SEEN = """
    exists (
        select 1 from run_replies join runs on runs.id = run_replies.run_id
        left join adapters on adapters.run_id = runs.id
        where replies.id between run_replies.first_id and run_replies.last_id
            and iif(adapters.id is null, runs.outcome is null, adapters.retired_at is null)
    )
"""

# An answer that was withdrawn and may still be read on Discord: its number is what keeps it from being stored again.
_SHOWN = """
    (redacted & 1 and exists (select 1 from answer_messages where answer_messages.reply_id = replies.id))
"""


def purge(db: Connection, before: str, *, after: int = 0, batch: int = 500) -> Purge:
    """Check up to `batch` replies stored before a moment, from number `after` on, and delete what need not stay.

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
        seen_to, done = window[-1] if window else after, len(window) < batch
        gone = _delete_old(db, window[0], seen_to, before) if window else []
        # At the end also what was held out of replies that earlier versions deleted.
        withdrawn = (gone or done) and samples.withdraw(db)
        if gone or withdrawn:
            erasure.request(db)
    if done:
        erasure.carry_out(db)
    return Purge(deleted=len(gone), seen_to=seen_to, done=done)


def _delete_old(db: Connection, first: int, last: int, before: str) -> list[int]:
    """Delete or empty what is to go among the replies with these numbers; returns theirs."""
    # `CONSENTED`, `_SEEN` and `_SHOWN` are constants, never a caller's text.
    rows = db.execute(
        f"""
        select id, {_SEEN}, {_SHOWN} from replies
        where source = 'discord' and id between ? and ? and created_at < ?
            and (redacted & 2 = 0 or not ({_SEEN} or {_SHOWN}))
            and standing is null
            and (redacted <> 0 or not {CONSENTED})
        """,  # noqa: S608
        [first, last, before],
    ).fetchall()
    for reply_id, seen, shown in rows:
        posts.withdraw_card(db, reply_id)
        if seen or shown:
            empty(db, reply_id)
            if not seen:
                db.execute("delete from reply_authors where reply_id = ?", [reply_id])
        else:
            db.execute("delete from replies where id = ?", [reply_id])
    return [int(row[0]) for row in rows]


def empty(db: Connection, reply_id: int) -> None:
    """Leave nothing of a reply but whose words it held."""
    db.execute(
        """
        update replies set turns = '[{"role":"user","content":"' || ?1 || '"}]', text = ?1, asker_id = null,
            prompt_message_id = null, content_hash = null, redacted = redacted | 2
        where id = ?2
        """,
        [REDACTED, reply_id],
    )
    db.execute("delete from reviews where reply_id = ?", [reply_id])  # taken back, and without words to be about
    db.execute("delete from quarantine where reply_id = ?", [reply_id])
    db.execute("delete from reply_messages where reply_id = ?", [reply_id])
    outbox.withdraw(db, reply_id)
