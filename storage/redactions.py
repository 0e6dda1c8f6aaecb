"""Redactions: taking a person's or a message's words out of the store for good.

A redacted reply keeps its row (a moderator's history stays countable) but is never part of a pair. What the bot
said in answer goes with the words it answered, since it may quote them; what it said to others goes if it repeats them,
and then from the conversations in which that answer was shown, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import takewhile
from sqlite3 import Connection

from storage import (
    answers,
    audit,
    documents,
    erasure,
    forgotten_people,
    lineage,
    outbox,
    posts,
    recalled,
    replies,
    samples,
    word_hashes,
)
from storage.database import writing
from storage.member_records import Forgotten
from storage.redaction_rules import REDACTED, RemovedWords, redact_turns
from storage.reply_records import Reply, Turn
from storage.turns import encode_turns, said_completion

__all__ = ["REDACTED", "forget", "redact_messages"]


@dataclass
class _Withdrawal:
    """What one act takes out: replies it touched, people's words, the bot's answers that repeat them, and entries."""

    touched: set[int] = field(default_factory=set)
    words: RemovedWords = field(default_factory=RemovedWords)
    answers: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)


def forget(db: Connection, user_id: int, before: int | None = None) -> Forgotten:
    """Remove a person: their words, what the bot said to them, their names on rows, and their consent.

    What the bot said to them goes from other people's conversations too. The audit says that it was done, not for
    whom. What they did as a moderator (verdicts, edits, acts in the audit) stays.

    Args:
        db: an open database.
        user_id: the person.
        before: number of the Discord message or interaction that asks for it. What they said before is not stored
            again, though it may still be there. None: the newest of their messages that is stored.
    """
    with writing(db):
        marked = set(lineage.marked(db))
        theirs = _with_author(db, user_id)
        act = _Withdrawal(set(theirs), RemovedWords(text for one in theirs for text in _words_of(db, one, user_id)))
        _keep(act, documents.take_out(db, author_id=user_id))
        newest = 0
        for reply_id in theirs:
            reply = replies.get(db, reply_id)
            asked = reply.asker_id == user_id or said_completion(reply, user_id)
            answering = _answers_to(db, reply, user_id)
            shown = bool(recalled.of_reply(db, reply_id)) and _only_as_example(reply, user_id, answering)
            if shown and not asked and not _repeats(reply, act.words):
                act.touched.discard(reply_id)
                continue
            newest = max([newest, *_numbers(reply, user_id)])
            _redact(db, reply, act, gone=_of(user_id, answering), answer_gone=asked)
            if asked:
                posts.forget_answer(db, reply)
                db.execute("update replies set asker_id = null, prompt_message_id = null where id = ?", [reply.id])
                _drop_message(db, reply.id, reply.prompt_message_id)
                act.answers += answers.messages(db, reply.id)
        _redact_shown(db, (), tuple(act.entries), act)
        _follow(db, act)
        samples.withdraw(db, act.words)
        forgotten_people.record(db, user_id, newest if before is None else before)
        db.execute("delete from reply_authors where user_id = ?", [user_id])
        db.execute("delete from consents where user_id = ?", [user_id])
        db.execute("delete from introductions where user_id = ?", [user_id])
        adapters = tuple(adapter for adapter in lineage.marked(db) if adapter not in marked)
        details = {"replies": len(act.touched), "adapters": adapters}
        audit.insert(db, None, "a member", "privacy.forget", details=details)
        erasure.request(db)
    erasure.carry_out(db)
    return Forgotten(tuple(sorted(act.touched)), adapters)


def redact_messages(db: Connection, message_ids: Iterable[int]) -> list[int]:
    """Remove the words of Discord messages, a person's or the bot's. Returns the numbers of the redacted replies."""
    act, ids = _Withdrawal(), set(message_ids)
    with writing(db):
        _take_out(db, ids, act)
        _follow(db, act)
        if act.touched or act.entries:
            samples.withdraw(db, act.words)
            erasure.request(db)
    if act.touched or act.entries:
        erasure.carry_out(db)
    return sorted(act.touched)


def _follow(db: Connection, act: _Withdrawal) -> None:
    """Take the bot's answers that go out of the documents and conversations that hold them, and what repeats them."""
    followed: set[int] = set()
    while messages := set(act.answers) - followed:
        act.answers.clear()
        followed |= messages
        _take_out(db, messages, act)


def _take_out(db: Connection, message_ids: set[int], act: _Withdrawal) -> None:
    """Take these messages out of documents, and out of every reply that shows them or repeats those documents."""
    taken = documents.take_out(db, message_ids=sorted(message_ids))
    _keep(act, taken)
    _redact_in(db, message_ids, act, taken)


def _keep(act: _Withdrawal, taken: dict[int, str]) -> None:
    act.entries += taken
    for text in taken.values():
        act.words.add(text)


def _redact_in(db: Connection, message_ids: set[int], act: _Withdrawal, entries: Iterable[int]) -> None:
    """Take these messages out of every reply that shows them, each once, and of what was shown those as examples.

    Replies that were shown one of the `entries` of documents, which are gone, may repeat them.
    """
    found: dict[int, set[int]] = {}
    for message_id in message_ids:
        rows = db.execute(
            """
            select reply_id from reply_messages where message_id = ?
            union select id from replies where message_id = ?
            """,
            [message_id, message_id],
        )
        for (reply_id,) in rows:
            found.setdefault(int(reply_id), set()).add(message_id)
    for reply_id in sorted(found):
        reply, gone = replies.get(db, reply_id), found[reply_id]
        act.touched.add(reply_id)
        # Only the first message counts for an answer: the bot itself deletes further ones when it writes a shorter one.
        answer_gone = not gone.isdisjoint({reply.message_id, reply.prompt_message_id})
        prompt = reply.turns[-1] if reply.prompt_message_id in gone else None
        _redact(db, reply, act, gone=_in_messages(gone, prompt), answer_gone=answer_gone)
    _redact_shown(db, found, entries, act)


def _redact_shown(db: Connection, examples: Iterable[int], entries: Iterable[int], act: _Withdrawal) -> None:
    """Take out the answers that repeat what they were shown as an example or of a document, and what repeats those."""
    waiting = [*(("example_id", number) for number in examples), *(("entry_id", number) for number in entries)]
    seen: set[int] = set()
    while waiting:
        for reply_id in set(recalled.shown_to(db, *waiting.pop())) - seen:
            seen.add(reply_id)
            waiting.append(("example_id", reply_id))
            reply = replies.get(db, reply_id)
            if reply_id not in act.touched and _repeats(reply, act.words):
                act.touched.add(reply_id)
                _redact(db, reply, act, gone=lambda _: False, answer_gone=True)


def _repeats(reply: Reply, words: RemovedWords) -> bool:
    """Whether an answer repeats withdrawn words that nobody said in its own conversation."""
    return words.repeated_in(reply.text, [turn.content for turn in reply.turns if turn.role != "assistant"])


def _redact(db: Connection, reply: Reply, act: _Withdrawal, *, gone: Callable[[Turn], bool], answer_gone: bool) -> None:
    """Blank the turns that are `gone` and what of the bot's words goes with them."""
    blanked = redact_turns(reply.turns, reply.text, gone, act.words)
    answer_gone = answer_gone or blanked.answer_gone
    if answer_gone and reply.text != REDACTED:
        act.answers += answers.messages(db, reply.id)
    removed = [old for old, new in zip(reply.turns, blanked.turns, strict=True) if old.content != new.content]
    word_hashes.remove(db, removed, reply.text if answer_gone else None)
    db.execute(
        "update replies set turns = ?, text = ?, redacted = redacted | 1, content_hash = null where id = ?",
        [encode_turns(blanked.turns), REDACTED if answer_gone else reply.text, reply.id],
    )
    db.execute("update reviews set content_hash = null where reply_id = ?", [reply.id])
    posts.withdraw_card(db, reply.id)
    outbox.withdraw(db, reply.id)
    db.execute("delete from quarantine where reply_id = ?", [reply.id])  # its reason may quote the reply
    _redact_edits(db, reply.id, act.words, all_of_them=answer_gone)
    left = {turn.message_id for turn in blanked.turns}
    for turn in reply.turns:
        if turn.message_id not in left:
            _drop_message(db, reply.id, turn.message_id)


def _redact_edits(db: Connection, reply_id: int, words: RemovedWords, *, all_of_them: bool) -> None:
    """Blank what moderators wrote in place of an answer that is gone, or what of it repeats the words."""
    sql = "select id, edited_text from reviews where reply_id = ? and edited_text is not null"
    for review_id, text in db.execute(sql, [reply_id]).fetchall():
        if all_of_them or words.repeated_in(text):
            word_hashes.remove(db, (), text)
            db.execute("update reviews set edited_text = ? where id = ?", [REDACTED, review_id])


def _drop_message(db: Connection, reply_id: int, message_id: int | None) -> None:
    """A message whose words are in a reply no longer."""
    db.execute("delete from reply_messages where reply_id = ? and message_id = ?", [reply_id, message_id])


def _words_of(db: Connection, reply_id: int, user_id: int) -> list[str]:
    """What a person says in a reply, to be found where it is repeated."""
    reply = replies.get(db, reply_id)
    said = [turn.content for turn in reply.turns if turn.author_id == user_id]
    said += [reply.text] if said_completion(reply, user_id) else []
    return [words for words in said if words != REDACTED]


def _numbers(reply: Reply, user_id: int) -> list[int]:
    """The numbers of a person's messages in a reply."""
    return [turn.message_id for turn in reply.turns if turn.author_id == user_id and turn.message_id is not None]


def _in_messages(message_ids: set[int], prompt: Turn | None) -> Callable[[Turn], bool]:
    """Whether a turn is one of these messages, or the `prompt`, which is known to be."""
    return lambda turn: turn.message_id in message_ids or turn is prompt


def _of(user_id: int, answers_to_them: list[Turn]) -> Callable[[Turn], bool]:
    """Whether a turn is a person's, or the bot's in answer to them where what it answered is not shown."""

    def gone(turn: Turn) -> bool:
        if turn.role == "assistant" and turn.author_id != user_id:
            return any(turn is one for one in answers_to_them)
        return turn.author_id == user_id

    return gone


def _answers_to(db: Connection, reply: Reply, user_id: int) -> list[Turn]:
    """The bot's turns that, for all that is known, answer a person whose words do not stand before them.

    That may be each of its turns where none of their words are shown: they are among the reply's people for such an
    answer alone. Else it is a turn before all of people's. The row of an answer may be gone, or never have been there.
    """
    turns = reply.turns
    if _speaks(reply, user_id):
        turns = tuple(takewhile(lambda turn: turn.role != "user", turns))
    return [turn for turn in turns if turn.role == "assistant" and not _answers_another(db, turn, user_id)]


def _speaks(reply: Reply, user_id: int) -> bool:
    return reply.asker_id == user_id or any(turn.author_id == user_id for turn in reply.turns)


def _answers_another(db: Connection, turn: Turn, user_id: int) -> bool:
    answer = None if turn.message_id is None else replies.by_message(db, turn.message_id)
    return answer is not None and answer.asker_id not in (None, user_id)


def _only_as_example(reply: Reply, user_id: int, answers_to_them: list[Turn]) -> bool:
    """Whether a person is among a reply's people for an example or a document that its prompt was shown with."""
    return not _speaks(reply, user_id) and not answers_to_them


def _with_author(db: Connection, user_id: int) -> list[int]:
    return [int(row[0]) for row in db.execute("select reply_id from reply_authors where user_id = ?", [user_id])]
