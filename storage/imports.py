"""Importing pairs: the operator's own material becomes approved replies, each pair once.

Rows are prepared in a temporary table first, so that the database is locked only while they are copied and the bot
can go on writing while a long file is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from sqlite3 import Connection

from storage import audit, origins, quarantine, replies, word_hashes
from storage.audit_records import Act
from storage.conditions import LATEST_REVIEW
from storage.database import preparing, writing
from storage.fingerprints import content_hash, import_conversation
from storage.pair_records import ImportCount, NewPair
from storage.timestamps import now
from storage.turns import encode_turns

# In the store already: as an import (though rejected since: what was removed stays removed), or as the pair
# that an approved or edited reply makes.
# With `:apart`, what another server has is not looked at, so that no server learns of it or is kept from its own.
_HERE = "(not :apart or replies.guild_id is null or replies.guild_id is :guild)"
_KNOWN = f"""
    exists (select 1 from replies where content_hash = incoming.hash and source = 'import' and {_HERE})
    or exists (select 1 from replies where content_hash = incoming.hash and standing = 'approve' and {_HERE})
    or exists (
        select 1 from reviews join replies on replies.id = reviews.reply_id
        where reviews.content_hash = incoming.hash and {LATEST_REVIEW} and {_HERE}
    )
"""  # noqa: S608


def add(
    db: Connection,
    pairs: Iterable[NewPair],
    approved_by: str,
    *,
    guild_id: int | None = None,
    by: int | None = None,
    apart: bool = False,
    note: Callable[[ImportCount], Act] | None = None,
) -> ImportCount:
    """Store pairs as approved, all of them or (if reading them fails) none.

    `guild_id` is the server they belong to, None for the operator's own; `by` the id of the moderator; `apart` whether
    servers have voices of their own, so that what another server has is no duplicate; `note` how it is written down in
    the audit, in the same transaction. A server's are that moderator's work: they wait in quarantine until a second one
    lets them in.

    A pair whose normalised turns and completion are in the store or came earlier counts as a duplicate. One that brings
    what was said, deleted or forgotten here is refused. A turn or a
    completion that names its author asks their consent.

    Raises:
        ValueError: a pair's turns do not end with a user turn.
        DatabaseBusy: another process wrote for too long.
    """
    db.execute("""
        create temp table if not exists incoming
            (position integer primary key, hash text unique, conversation text, turns text, completion text,
            origins integer, author_id integer)
    """)
    db.execute("create temp table if not exists incoming_words (position integer not null, hash blob not null)")
    try:
        db.execute("delete from incoming")
        db.execute("delete from incoming_words")
        with preparing(db):
            offered = _prepare(db, pairs, guild_id)
            db.execute("create index incoming_words_position on incoming_words (position)")
        with writing(db):
            imported, refused = _take_in(db, approved_by, guild_id, by, apart=apart)
            count = ImportCount(imported=imported, duplicates=offered - imported - refused, refused=refused)
            if note is not None:
                audit.insert_act(db, note(count))
    finally:
        db.execute("drop table incoming")
        db.execute("drop table incoming_words")
    return count


def _prepare(db: Connection, pairs: Iterable[NewPair], guild_id: int | None) -> int:
    """Write the pairs into the temporary tables; returns how many there were."""
    key = word_hashes.key(db)
    offered = 0
    for offered, pair in enumerate(pairs, start=1):
        if not pair.turns or pair.turns[-1].role != "user":
            raise ValueError("a pair's turns end with a user turn")
        turns = [replace(turn, origin=origins.origin_of(turn, "import")) for turn in pair.turns]
        new = db.execute(
            """
            insert or ignore into incoming
                (position, hash, conversation, turns, completion, origins, author_id)
            values (?, ?, ?, ?, ?, ?, ?)
            """,
            [
                offered,
                content_hash(pair.turns, pair.completion),
                import_conversation(pair.turns, guild_id),
                encode_turns(turns),
                pair.completion,
                origins.bits_of([pair.origin, *(origins.origin_of(turn, "import") for turn in turns)]),
                pair.author_id,
            ],
        )
        if new.rowcount:
            db.executemany(
                "insert into incoming_words (position, hash) values (?, ?)",
                [(offered, one) for one in word_hashes.hashes_of(key, pair.turns, pair.completion)],
            )
    return offered


def _take_in(db: Connection, approved_by: str, guild_id: int | None, by: int | None, *, apart: bool) -> tuple[int, int]:
    """Copy the prepared rows; returns how many were new, and how many were refused."""
    moment = now()
    with writing(db):
        before = replies.last_number(db)
        # `_KNOWN` and `NOT_SAID_HERE` are constants, never a caller's text.
        where = {"apart": apart, "guild": guild_id}
        (new,) = db.execute(f"select count(*) from incoming where not ({_KNOWN})", where).fetchone()  # noqa: S608
        cursor = db.execute(
            f"""
            insert into replies (id, source, conversation, turns, text, adapter, base_model, finish_reason, created_at,
                authors_known, content_hash, guild_id, origins)
            select :before + row_number() over (order by position),
                'import', conversation, turns, completion, null, '', 'stop', :moment, 1, hash, :guild, origins
            from incoming where not ({_KNOWN}) and {word_hashes.NOT_SAID_HERE} order by position
            """,  # noqa: S608
            {**where, "before": before, "moment": moment},
        )
        imported = cursor.rowcount
        db.execute(
            """
            insert into reviews (reply_id, verdict, reviewer, reviewer_id, created_at)
            select id, 'approve', ?, ?, ? from replies where id > ? order by id
            """,
            [approved_by, by, moment, before],
        )
        db.execute(
            """
            insert or ignore into reply_authors (reply_id, user_id)
            select replies.id, turn.value ->> 'author_id' from replies, json_each(replies.turns) as turn
            where replies.id > ?1 and turn.value ->> 'author_id' is not null
            union
            select replies.id, author_id from replies join incoming on incoming.hash = replies.content_hash
            where replies.id > ?1 and author_id is not null
            """,
            [before],
        )
        word_hashes.take_in(db, before)
        if guild_id is not None:
            quarantine.put_imported(db, before)
    return imported, int(new) - imported
