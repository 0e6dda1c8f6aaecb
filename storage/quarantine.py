"""Quarantine: approved pairs that are set aside until a second person has looked at them.

A night sets aside what stands out; what a moderator imports on Discord waits here from the start. An import of theirs
is eligible only once it was let in, and a night may set it aside once more.

A row is about the words that were judged (their content hash), not about the reply for ever: an edit makes other words,
which the next night judges afresh, while taking an approval back and giving it again changes nothing. Held and
dismissed words are no part of the eligible pairs; confirmed words are, and are never set aside again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from sqlite3 import Connection

from storage import audit, runs
from storage.conditions import APPROVED, LATEST_REVIEW, REVIEWED
from storage.database import writing
from storage.pair_records import Quarantined
from storage.review_errors import NotInQuarantine, SecondModeratorNeeded
from storage.timestamps import now
from storage.turns import decode_turns

# The words that would be learned: the moderator's, if the latest review is an edit.
_WORDS = "coalesce(reviews.content_hash, replies.content_hash)"

# For a statement over `REVIEWED`. An approval has no hash of its own.
NOT_SET_ASIDE = f"""
    not exists (
        select 1 from quarantine
        where quarantine.reply_id = replies.id and quarantine.state <> 'confirmed' and quarantine.words = {_WORDS}
    )
"""  # noqa: S608

# For the same statement: what was imported on a server is let in by a second person, or it is no pair yet.
LET_IN = f"""
    (replies.source <> 'import' or replies.guild_id is null or exists (
        select 1 from quarantine
        where quarantine.reply_id = replies.id and quarantine.state = 'confirmed' and quarantine.words = {_WORDS}
    ))
"""  # noqa: S608

WAITS_SINCE_IMPORT = "It was imported on Discord, and a second moderator has not looked at it yet."
"""Why an import of a moderator is set aside."""

# Rows about the words that an approved reply has now.
_CURRENT = f"""
    quarantine join replies on replies.id = quarantine.reply_id
    join reviews on {LATEST_REVIEW} and {APPROVED} and quarantine.words = {_WORDS}
"""


def put(db: Connection, run_id: str, outliers: Iterable[tuple[int, str]]) -> int:
    """Set pairs aside, each with the sentence that says why; returns how many are held now that were not before.

    What has been decided about the same words after a night stays decided; that an import was let in is no such
    decision. What is no pair any more is passed over.

    Raises:
        RunNotFound: there is no such run.
    """
    with writing(db):
        runs.get(db, run_id)
        moment, held = now(), 0
        for reply_id, reason in outliers:
            cursor = db.execute(
                f"""
                insert into quarantine (reply_id, reason, run_id, created_at, words, state)
                select replies.id, ?, ?, ?, {_WORDS}, 'held' from {REVIEWED}
                where replies.id = ? and {APPROVED} and {_WORDS} is not null
                on conflict (reply_id) do update set reason = excluded.reason, run_id = excluded.run_id,
                    created_at = excluded.created_at, words = excluded.words, state = 'held',
                    decided_by = null, decided_by_id = null, decided_at = null
                where quarantine.words <> excluded.words
                    or (quarantine.run_id is null and quarantine.state = 'confirmed')
                """,  # noqa: S608
                [reason, run_id, moment, reply_id],
            )
            held += cursor.rowcount
    return held


def put_imported(db: Connection, after: int) -> None:
    """Set aside the imports with a number above `after`. Part of the transaction that imports them."""
    db.execute(
        """
        insert into quarantine (reply_id, reason, run_id, created_at, words, state)
        select id, ?, null, ?, content_hash, 'held' from replies where id > ? and source = 'import'
        """,
        [WAITS_SINCE_IMPORT, now(), after],
    )


def held(
    db: Connection,
    *,
    guild_id: int | None = None,
    limit: int | None = 50,
    imports_of: Sequence[int] | None = None,
    places: Sequence[int] | None = None,
) -> list[Quarantined]:
    """Pairs that wait for a decision, the longest waiting first; of one server, or (None) all there are.

    `imports_of` adds what is trained on for a server without being said there: the operator's imports, and those of
    these servers that a night set aside. With `places`, of what was said on Discord only what was said in these
    channels.
    """
    lists = imports_of, places
    rows = db.execute(
        f"""
        select quarantine.reply_id, quarantine.reason, quarantine.run_id, quarantine.created_at, replies.guild_id,
            turns, coalesce(edited_text, text), reviewer, reviewer_id
        from {_CURRENT}
        where quarantine.state = 'held' and (
            ?1 is null or replies.guild_id = ?1
            or (?3 is not null and source = 'import' and (replies.guild_id is null or (
                quarantine.run_id is not null and replies.guild_id in (select value from json_each(?3)))))
        ) and (?4 is null or channel_id is null or channel_id in (select value from json_each(?4)))
        order by quarantine.created_at, quarantine.reply_id limit ?2
        """,  # noqa: S608
        [guild_id, -1 if limit is None else limit, *(None if one is None else json.dumps(list(one)) for one in lists)],
    )
    return [
        Quarantined(reply_id, reason, run_id, created_at, guild, decode_turns(turns)[-1].content, *rest)
        for reply_id, reason, run_id, created_at, guild, turns, *rest in rows
    ]


def decide(db: Connection, reply_id: int, *, confirmed: bool, actor: str, actor_id: int | None) -> None:
    """Let a held pair in, or keep it out, and write it down in the audit.

    Args:
        db: an open database.
        reply_id: the pair's reply.
        confirmed: whether it may be learned from.
        actor: who decides, for the record.
        actor_id: their Discord id; None is the operator at the command line, who may decide alone and may also
            change what was decided.

    Raises:
        NotInQuarantine: it does not wait for a decision.
        SecondModeratorNeeded: who approved it cannot be the one to confirm it.
    """
    with writing(db):
        row = db.execute(
            f"select state, reviewer_id, guild_id from {_CURRENT} where quarantine.reply_id = ?",  # noqa: S608
            [reply_id],
        ).fetchone()
        if row is None or (row["state"] != "held" and actor_id is not None):
            raise NotInQuarantine(reply_id)
        if actor_id is not None and actor_id == row["reviewer_id"]:
            raise SecondModeratorNeeded(reply_id)
        state, action = ("confirmed", "quarantine.confirm") if confirmed else ("dismissed", "quarantine.dismiss")
        db.execute(
            "update quarantine set state = ?, decided_by = ?, decided_by_id = ?, decided_at = ? where reply_id = ?",
            [state, actor, actor_id, now(), reply_id],
        )
        audit.insert(db, actor_id, actor, action, str(reply_id), guild_id=row["guild_id"])


def confirmed(db: Connection) -> frozenset[int]:
    """Replies whose present words a second person has let in after a night: they are not to be judged again."""
    rows = db.execute(
        f"""
        select quarantine.reply_id from {_CURRENT}
        where quarantine.state = 'confirmed' and quarantine.run_id is not null
        """  # noqa: S608
    )
    return frozenset(int(row[0]) for row in rows)
