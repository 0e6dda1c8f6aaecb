"""Documents: what moderators and the operator added for the bot to look things up in, server by server.

A document is its chunks, which can be found like the questions of approved replies (storage/recall_entries.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from sqlite3 import Connection, Row

from storage import answers, erasure, forgotten_people
from storage.database import writing
from storage.document_errors import DocumentEmpty, DocumentNotFound, DocumentTooLong, KnowledgeFull
from storage.recall_records import Document, KnowledgeLimits, NewChunk, NewDocument
from storage.reply_records import Answered, Turn
from storage.timestamps import now

_DOCUMENTS = """
    select documents.*, count(recall_entries.id) as chunks, coalesce(sum(length(recall_entries.text)), 0) as characters
    from documents left join recall_entries on recall_entries.document_id = documents.id
"""


def add(db: Connection, new: NewDocument, chunks: Sequence[NewChunk], limits: KnowledgeLimits | None = None) -> int:
    """Store a document, without the words of people who were forgotten since they said them; returns its number.

    Raises:
        DocumentEmpty, DocumentTooLong, KnowledgeFull: nothing is stored.
    """
    limits = limits or KnowledgeLimits()
    with writing(db):
        chunks = _may_be_kept(db, chunks)
        _require_room(db, new.guild_id, new.title, chunks, limits, replacing=None)
        moment = now()
        cursor = db.execute(
            """
            insert into documents (guild_id, title, kind, url, channel_id, message_id, added_by, added_by_id,
                created_at, updated_at)
            values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                new.guild_id,
                new.title,
                new.kind,
                new.url,
                new.channel_id,
                new.message_id,
                new.added_by,
                new.added_by_id,
                moment,
                moment,
            ],
        )
        document_id = int(cursor.lastrowid or 0)
        _put_chunks(db, document_id, new.guild_id, chunks)
    return document_id


def replace(
    db: Connection,
    guild_id: int,
    document_id: int,
    chunks: Sequence[NewChunk],
    limits: KnowledgeLimits | None = None,
    *,
    title: str | None = None,
) -> None:
    """Give a document new words; the old ones are erased. Raises DocumentNotFound and what `add` raises."""
    with writing(db):
        document, chunks = get(db, guild_id, document_id), _may_be_kept(db, chunks)
        _require_room(db, guild_id, document.title, chunks, limits or KnowledgeLimits(), replacing=document)
        db.execute("delete from recall_entries where document_id = ?", [document_id])
        _put_chunks(db, document_id, guild_id, chunks)
        db.execute(
            "update documents set updated_at = ?, title = coalesce(?, title) where id = ?", [now(), title, document_id]
        )
        erasure.request(db)
    erasure.carry_out(db)


def remove(db: Connection, guild_id: int, document_id: int) -> Document:
    """Take a document out of the store, to the last byte. Raises DocumentNotFound."""
    with writing(db):
        document = get(db, guild_id, document_id)
        db.execute("delete from documents where id = ?", [document_id])
        erasure.request(db)
    erasure.carry_out(db)
    return document


def get(db: Connection, guild_id: int, document_id: int) -> Document:
    """A document of this server. Raises DocumentNotFound."""
    sql = f"{_DOCUMENTS} where documents.id = ? and documents.guild_id = ? group by documents.id"
    for row in db.execute(sql, [document_id, guild_id]):
        return _read(row)
    raise DocumentNotFound(document_id)


def of_server(db: Connection, guild_id: int) -> list[Document]:
    """The documents of a server, the newest first."""
    sql = f"{_DOCUMENTS} where documents.guild_id = ? group by documents.id order by documents.id desc"
    return [_read(row) for row in db.execute(sql, [guild_id])]


def every(db: Connection) -> list[Document]:
    """The documents of all servers, by server, the newest first."""
    return [
        _read(row)
        for row in db.execute(f"{_DOCUMENTS} group by documents.id order by documents.guild_id, documents.id desc")
    ]


def chunks_of(db: Connection, document_id: int) -> list[NewChunk]:
    """The chunks of a document, first to last."""
    sql = "select text, heading, message_id, author_id from recall_entries where document_id = ? order by position"
    return [NewChunk(*row) for row in db.execute(sql, [document_id])]


def take_out(db: Connection, *, message_ids: Iterable[int] = (), author_id: int | None = None) -> dict[int, str]:
    """Remove the chunks of these messages, or of this person and of answers to them; returns their words by entry.

    Part of the transaction that removes them elsewhere. A document of one message goes whole, since its title may be
    those words, and so does one of which nothing is left.
    """
    theirs = """
        select id from recall_entries where author_id = ?1
        union select entry_id from recall_askers where user_id = ?1
    """
    found = [row[0] for row in db.execute(theirs, [author_id])]
    for number in message_ids:
        found += [row[0] for row in db.execute("select id from recall_entries where message_id = ?", [number])]
    words: dict[int, str] = {}
    for entry_id in found:
        for one, heading, text in _with_siblings(db, entry_id):
            words[one] = f"{heading}\n{text}"
        _remove_entry(db, entry_id)
    return words


def _with_siblings(db: Connection, entry_id: int) -> list[tuple[int, str, str]]:
    """An entry that is to go, with the others of its document where that is one message."""
    sql = """
        select id, heading, text from recall_entries where id = ?1
        union
        select others.id, others.heading, others.text from recall_entries
        join documents on documents.id = recall_entries.document_id and documents.message_id is not null
        join recall_entries as others on others.document_id = documents.id where recall_entries.id = ?1
    """
    return [tuple(row) for row in db.execute(sql, [entry_id])]


def _remove_entry(db: Connection, entry_id: int) -> None:
    row = db.execute("select document_id from recall_entries where id = ?", [entry_id]).fetchone()
    if row is None:  # gone with its document
        return
    db.execute("delete from recall_entries where id = ?", [entry_id])
    gone = """
        delete from documents where id = ?1
            and (message_id is not null or not exists (select 1 from recall_entries where document_id = ?1))
    """
    db.execute(gone, [row[0]])


def _may_be_kept(db: Connection, chunks: Sequence[NewChunk]) -> list[NewChunk]:
    """Without the words of people who were forgotten since they said them, and of answers that were withdrawn."""
    spoken = [Answered(one.message_id, one.author_id, one.message_id) for one in chunks if one.message_id is not None]
    withheld = forgotten_people.withheld(db, spoken)
    return [one for one in chunks if one.message_id not in withheld]


def _put_chunks(db: Connection, document_id: int, guild_id: int, chunks: Sequence[NewChunk]) -> None:
    for position, one in enumerate(chunks):
        cursor = db.execute(
            """
            insert into recall_entries (guild_id, document_id, position, heading, text, message_id, author_id)
            values (?, ?, ?, ?, ?, ?, ?)
            """,
            [guild_id, document_id, position, one.heading, one.text, one.message_id, one.author_id],
        )
        if one.message_id is not None:
            _put_askers(db, int(cursor.lastrowid or 0), one.message_id)


def _put_askers(db: Connection, entry_id: int, message_id: int) -> None:
    """Keep whom a message of the bot's answered, since its words may quote them; retention lets go of its reply."""
    people, _ = answers.askers(db, [Turn("assistant", "", None, message_id)])
    db.executemany(
        "insert into recall_askers (entry_id, user_id) values (?, ?)", [(entry_id, person) for person in people]
    )


def _require_room(
    db: Connection,
    guild_id: int,
    title: str,
    chunks: Sequence[NewChunk],
    limits: KnowledgeLimits,
    *,
    replacing: Document | None,
) -> None:
    length = sum(len(one.text) for one in chunks)
    if not any(one.text.strip() for one in chunks):
        raise DocumentEmpty(title)
    if length > limits.document_characters:
        raise DocumentTooLong(title, length, limits.document_characters)
    others = [one for one in of_server(db, guild_id) if replacing is None or one.id != replacing.id]
    if len(others) >= limits.documents:
        raise KnowledgeFull(f"{limits.documents:,} documents")
    if sum(one.characters for one in others) + length > limits.characters:
        raise KnowledgeFull(f"{limits.characters:,} characters")


def _read(row: Row) -> Document:
    return Document(**{name: row[name] for name in row.keys()})  # noqa: SIM118 - a row iterates over its values
