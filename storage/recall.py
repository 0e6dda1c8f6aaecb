"""Recall: what of a server's approved replies and documents a question may be shown.

Whether something may be shown is asked of the database each time, by the rules of training: approved, nothing redacted,
none from quarantine or direct messages, with the consent of everybody in it. Who may read a channel is Discord's to say
(bot/recall/audience.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from sqlite3 import Connection

from storage.conditions import APPROVED, REVIEWED
from storage.pair_records import ConsentRule
from storage.pairs import consent_clause
from storage.quarantine import LET_IN, NOT_SET_ASIDE
from storage.recall_records import FoundChunk, FoundExample
from storage.redaction_rules import COMMON
from storage.servers import Voice, taught, teaching

__all__ = ["chunks", "content_words", "examples", "matching", "stem", "words_of"]

_WORD = re.compile(r"\w+")
_MOST_WORDS = 32  # of a question
_STEM = 5  # letters from which a word is sought by its beginning: German and English inflect at the end
_COMPOUND, _PART = 10, 6  # letters of a word that may be put together, and of its part
_ENGLISH = """
    a an and are as at be but by can did do does for had has he her him his how i if in is it its me my no not of on
    or our she so us we to who why was you
"""
_GERMAN = """
    ab als am auf aus bei bin da das dem den der des die du ein er es ich ihr im ist ja man mir mit nun ob sie um und
    uns von vor war wer wie wir wo zu zum zur wann
"""
_SHORT = frozenset(f"{_ENGLISH} {_GERMAN}".split())


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return _WORD.findall(text.casefold())


def content_words(text: str) -> list[str]:
    """The words of a text that say what it is about, each once, in order; all of them where none does."""
    words = list(dict.fromkeys(words_of(text)))
    telling = [word for word in words if word not in _SHORT and word not in COMMON]
    return (telling or words)[:_MOST_WORDS]


def stem(word: str) -> str:
    """The beginning of a word by which its forms are found."""
    return word[: max(_STEM - 1, len(word) - 2)] if len(word) >= _STEM and not word.isdecimal() else word


def _terms(word: str) -> list[str]:
    """What FTS5 looks for: the word's beginning; of a long one also the first part, as of a German compound."""
    if len(word) < _STEM:
        return [f'"{word}"']
    return [f'"{stem(word)}"*', *([f'"{word[:_PART]}"*'] if len(word) >= _COMPOUND else [])]


def matching(db: Connection, guild_ids: Sequence[int], text: str, *, documents: bool, limit: int) -> list[int]:
    """Entries of these servers that share words with a text, the best first (FTS5's bm25)."""
    words = content_words(text)
    if not words:
        return []
    wanted = " OR ".join(term for word in words for term in _terms(word))
    rows = db.execute(
        """
        select recall_words.rowid from recall_words join recall_entries on recall_entries.id = recall_words.rowid
        where recall_words match ? and guild_id in (select value from json_each(?)) and (document_id is not null) = ?
        order by bm25(recall_words, 2.0, 1.0) limit ?
        """,
        [wanted, json.dumps(list(guild_ids)), documents, limit],
    )
    return [int(row[0]) for row in rows]


def examples(
    db: Connection,
    guild_id: int,
    entry_ids: Sequence[int],
    consent: ConsentRule,
    *,
    servers: Sequence[int] = (),
    without: Sequence[int] = (),
    voice: Voice | None = None,
) -> list[FoundExample]:
    """Of these entries the approved replies that may be shown on a server, in the order given.

    The operator's own pairs, which belong to no server, are shown on the `servers` that are learned from, or where they
    teach the server's own `voice`. Replies in `without` are left out.
    """
    # All that is put together here are constants.
    sql = f"""
        select recall_entries.id, replies.id, replies.guild_id, replies.channel_id, recall_entries.text,
            coalesce(edited_text, replies.text)
        from {REVIEWED} join recall_entries on recall_entries.reply_id = replies.id
        where recall_entries.id in (select value from json_each(:entries)) and {APPROVED}
            and {NOT_SET_ASIDE} and {LET_IN} and {consent_clause(consent)}
            and (replies.guild_id = :guild
                or (:everywhere and replies.guild_id is null and replies.source <> 'discord'))
            and replies.id not in (select value from json_each(:without))
    """  # noqa: S608
    values = {
        "entries": json.dumps(list(entry_ids)),
        "guild": guild_id,
        "everywhere": bool(taught(db, servers, voice)["imports"]) if voice else guild_id in teaching(db, servers),
        "without": json.dumps(list(without)),
    }
    found = {row[0]: FoundExample(*row) for row in db.execute(sql, values)}
    return [found[entry_id] for entry_id in entry_ids if entry_id in found]


def chunks(db: Connection, guild_id: int, entry_ids: Sequence[int]) -> list[FoundChunk]:
    """Of these entries the chunks of this server's documents, in the order given."""
    sql = """
        select recall_entries.id, documents.id, documents.guild_id, channel_id, title, heading, text, url,
            recall_entries.message_id
        from recall_entries join documents on documents.id = recall_entries.document_id
        where recall_entries.id in (select value from json_each(?)) and documents.guild_id = ?
    """
    found = {row[0]: FoundChunk(*row) for row in db.execute(sql, [json.dumps(list(entry_ids)), guild_id])}
    return [found[entry_id] for entry_id in entry_ids if entry_id in found]
