"""Posts: where on Discord the bot showed stored words to moderators, so that those can be taken back there, too.

A card shows a reply, a question of a report a sample of a run, a report the reasons for which pairs were set
aside, and an answer to /ask what a member typed. A post is **due** from the moment its words are removed, in the same
transaction, until the bot has blanked it; then it is no longer known. Nothing is asked of a reply's row, which may be
gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from storage.database import writing
from storage.discord_records import Post
from storage.reply_records import Reply

__all__ = [
    "add",
    "card",
    "done",
    "due",
    "first_carded",
    "forget_answer",
    "gone",
    "withdraw_card",
    "withdraw_question",
]

_REMOVED = {
    "card": "select redacted = 0 from replies where id = :reply",
    "question": "select json_extract(details, '$.samples[' || :sample || ']') is not null from runs where id = :run",
    "report": "select 1",
    "answer": "select 0",
}
"""Whether what a post shows is stored still; no row: it is not."""


def add(db: Connection, post: Post) -> bool:
    """Keep where something was posted; returns whether it is to be blanked again: its words were removed meanwhile."""
    with writing(db):
        values = {"reply": post.reply_id, "run": post.run_id, "sample": post.sample}
        row = db.execute(_REMOVED[post.kind], values).fetchone()
        due = row is None or not row[0]
        _insert(db, post, due=due)
    return due


def card(db: Connection, reply_id: int) -> Post | None:
    """The card of a reply, if its message is known."""
    for post in _read(db, "kind = 'card' and reply_id = ? order by message_id desc limit 1", reply_id):
        return post
    return None


def first_carded(db: Connection) -> int | None:
    """The lowest reply whose card is known; cards of earlier ones may have been posted by an earlier version."""
    (number,) = db.execute("select min(reply_id) from posts where kind = 'card'").fetchone()
    return None if number is None else int(number)


def due(db: Connection, limit: int = 100) -> list[Post]:
    """Posts that are to be blanked, newest first."""
    return _read(db, "due = 1 order by message_id desc limit ?", limit)


def done(db: Connection, message_id: int) -> None:
    """A post was blanked. What may have to be changed again stays known."""
    with writing(db):
        db.execute("update posts set due = 0 where message_id = ?", [message_id])
        db.execute(
            """
            delete from posts where message_id = ? and (kind in ('question', 'answer')
                or (kind = 'card' and not exists (select 1 from replies where id = posts.reply_id)))
            """,
            [message_id],
        )


def gone(db: Connection, message_ids: Iterable[int]) -> None:
    """These messages are no longer there."""
    with writing(db):
        db.executemany("delete from posts where message_id = ?", [(one,) for one in message_ids])


def withdraw_card(db: Connection, reply_id: int) -> None:
    """A reply's words were removed. Part of the transaction that does so, before its row in the quarantine goes."""
    db.execute("update posts set due = 1 where kind = 'card' and reply_id = ?", [reply_id])
    quoting = "select run_id from quarantine where reply_id = ?"
    db.execute(f"update posts set due = 1 where kind = 'report' and run_id in ({quoting})", [reply_id])  # noqa: S608


def withdraw_question(db: Connection, run_id: str, sample: int) -> None:
    """A sample was removed. Part of the transaction that does so."""
    db.execute("update posts set due = 1 where kind = 'question' and run_id = ? and sample = ?", [run_id, sample])


def forget_answer(db: Connection, reply: Reply) -> None:
    """Take back the bot's message if it shows what was asked by /ask: there, one message holds question and answer."""
    asked = reply.turns[-1].message_id
    if reply.message_id is None or reply.channel_id is None or asked != reply.message_id:
        return
    _insert(db, Post(reply.message_id, reply.guild_id, reply.channel_id, "answer"), due=True)


def _insert(db: Connection, post: Post, *, due: bool) -> None:
    db.execute(
        """
        insert into posts (message_id, guild_id, channel_id, kind, reply_id, run_id, sample, due)
        values (?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (message_id) do update set due = max(due, excluded.due)
        """,
        [
            post.message_id,
            post.guild_id,
            post.channel_id,
            post.kind,
            post.reply_id,
            post.run_id,
            post.sample,
            due,
        ],
    )


def _read(db: Connection, where: str, value: int) -> list[Post]:
    columns = "message_id, guild_id, channel_id, kind, reply_id, run_id, sample"
    # `where` is one of the constants above.
    rows = db.execute(f"select {columns} from posts where {where}", [value])  # noqa: S608
    return [Post(*row) for row in rows]
