"""Word hashes: keyed hashes of what was said on Discord, so that no file brings it back as somebody else's.

Kept when a reply is stored and when words are removed, and for good: it is how forgotten words are known again without
being kept. Nobody can read a word from them, or try one out without the key, which lies in the database of the home.
What the operator or a moderator brought in a file before anybody said it here stays theirs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from sqlite3 import Connection

from storage.database import writing
from storage.redaction_rules import REDACTED
from storage.reply_records import Turn
from storage.text_variants import variants
from storage.turns import decode_turns

__all__ = ["NOT_SAID_HERE", "add", "catch_up", "hashes_of", "remove", "take_in"]

# For a statement over `incoming`, whose rows have their hashes in `incoming_words`.
NOT_SAID_HERE = """
    not exists (
        select 1 from incoming_words join said_words on said_words.hash = incoming_words.hash
        where incoming_words.position = incoming.position and said_words.said
    )
"""


def add(db: Connection, turns: Sequence[Turn], text: str) -> None:
    """Words that were just said: a conversation and the answer to it. Part of the transaction that stores them."""
    found = [(one,) for one in _hashes(key(db), _spoken(turns, text))]
    db.executemany("insert or ignore into said_words (hash, said) values (?, 1)", found)


def remove(db: Connection, turns: Sequence[Turn], text: str | None) -> None:
    """Words that are removed from the store: from now on nobody's file may bring them, no matter who said them."""
    found = [(one,) for one in _hashes(key(db), _spoken(turns, text or ""))]
    db.executemany("insert or replace into said_words (hash, said) values (?, 1)", found)


def hashes_of(key: bytes, turns: Sequence[Turn], completion: str) -> set[bytes]:
    """The hashes by which a file's pair is compared with what was said."""
    texts = [turn.content for turn in turns] + [completion]
    return {_hash(key, one) for text in texts for one in variants(text)}


def take_in(db: Connection, after: int) -> None:
    """Remember the words of the imports with a number above `after` as those of who brought them."""
    db.execute(
        """
        insert or ignore into said_words (hash, said)
        select incoming_words.hash, 0 from replies join incoming on incoming.hash = replies.content_hash
        join incoming_words on incoming_words.position = incoming.position
        where replies.id > ? and replies.source = 'import'
        """,
        [after],
    )


def catch_up(db: Connection) -> None:
    """Once for a database of an earlier version: the words of all that is stored, in the order in which it came."""
    if _is_complete(db):
        return
    with writing(db):
        if _is_complete(db):  # another process was quicker
            return
        secret = key(db)
        rows = db.execute("select source, turns, text from replies where source <> 'chat' order by id")
        for source, turns, text in rows:
            imported = source == "import"
            shown = decode_turns(turns)
            found = hashes_of(secret, shown, text) if imported else _hashes(secret, _spoken(shown, text))
            db.executemany(
                "insert or ignore into said_words (hash, said) values (?, ?)", [(one, not imported) for one in found]
            )
        db.execute("update said_words_key set complete = 1")


def key(db: Connection) -> bytes:
    """The key of the hashes."""
    (secret,) = db.execute("select key from said_words_key").fetchone()
    return bytes(secret)


def _is_complete(db: Connection) -> bool:
    return bool(db.execute("select complete from said_words_key").fetchone()[0])


def _spoken(turns: Sequence[Turn], text: str) -> Iterator[tuple[str, bool]]:
    """Texts that were said, and whether the bot said them. A system turn is nobody's words."""
    for turn in turns:
        if turn.role != "system" and turn.content != REDACTED:
            yield turn.content, turn.role == "assistant"
    if text != REDACTED:
        yield text, True


def _hashes(key: bytes, spoken: Iterable[tuple[str, bool]]) -> set[bytes]:
    return {_hash(key, one) for text, by_bot in spoken for one in variants(text, by_bot=by_bot)}


def _hash(key: bytes, wording: str) -> bytes:
    return hashlib.blake2b(wording.encode(errors="surrogatepass"), key=key, digest_size=16).digest()
