"""Redactions: taking a person's or a message's words out of the store for good.

A redacted reply keeps its row (a moderator's history stays countable) but is never part of a pair. What the bot
said in answer goes with the words it answered, since it may quote them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from sqlite3 import Connection

from storage import audit, lineage, replies, samples
from storage.database import writing
from storage.records import Forgotten, Reply, Turn
from storage.turns import encode_turns

REDACTED = "[redacted]"


def forget(db: Connection, user_id: int) -> Forgotten:
    """Remove a person: their words, what the bot said to them, their names on rows, and their consent.

    What the bot said to them goes from other people's conversations too. The audit says that it was done, not for
    whom. What they did as a moderator (verdicts, edits, acts in the audit) stays.
    """
    with writing(db):
        before = set(lineage.marked(db))
        theirs = _with_author(db, user_id)
        touched = set(theirs)
        for reply_id in theirs:
            reply = replies.get(db, reply_id)
            asked = reply.asker_id == user_id
            answers = _answers_to_others(db, reply, user_id)
            _redact(db, reply, gone=_of(user_id, answers), answer_gone=asked)
            if asked:
                db.execute("update replies set asker_id = null, prompt_message_id = null where id = ?", [reply.id])
            if asked and reply.message_id is not None:
                touched |= _redact_message(db, reply.message_id)
        samples.withdraw(db)
        db.execute("delete from reply_authors where user_id = ?", [user_id])
        db.execute("delete from consents where user_id = ?", [user_id])
        db.execute("delete from introductions where user_id = ?", [user_id])
        adapters = tuple(adapter for adapter in lineage.marked(db) if adapter not in before)
        details = {"replies": len(touched), "adapters": adapters}
        audit.insert(db, None, "a member", "privacy.forget", details=details)
    return Forgotten(tuple(sorted(touched)), adapters)


def redact_messages(db: Connection, message_ids: Iterable[int]) -> list[int]:
    """Remove the words of Discord messages, be they somebody's or the bot's. Gives the replies redacted, by number."""
    with writing(db):
        found = set[int]().union(*(_redact_message(db, message_id) for message_id in message_ids))
        if found:
            samples.withdraw(db)
    return sorted(found)


def _redact_message(db: Connection, message_id: int) -> set[int]:
    found = {
        int(row[0])
        for row in db.execute(
            """
            select reply_id from reply_messages where message_id = ?
            union select id from replies where message_id = ?
            """,
            [message_id, message_id],
        )
    }
    for reply_id in found:
        reply = replies.get(db, reply_id)
        answer_gone = message_id in (reply.message_id, reply.prompt_message_id)
        _redact(db, reply, gone=lambda turn: turn.message_id == message_id, answer_gone=answer_gone)
    return found


def _redact(db: Connection, reply: Reply, *, gone: Callable[[Turn], bool], answer_gone: bool) -> None:
    """Blank the turns that are `gone` and the bot's turns answering them; the reply too if it answers the last."""
    turns: list[Turn] = []
    before_gone = False
    for turn in reply.turns:
        before_gone = gone(turn) or (turn.role == "assistant" and before_gone)
        turns.append(Turn(turn.role, REDACTED) if before_gone else turn)
    answer_gone = answer_gone or before_gone
    db.execute(
        "update replies set turns = ?, text = ?, redacted = 1, content_hash = null where id = ?",
        [encode_turns(turns), REDACTED if answer_gone else reply.text, reply.id],
    )
    db.execute("update reviews set content_hash = null where reply_id = ?", [reply.id])
    db.execute("delete from quarantine where reply_id = ?", [reply.id])  # its reason may quote the reply
    if answer_gone:
        db.execute(
            "update reviews set edited_text = ? where reply_id = ? and edited_text is not null", [REDACTED, reply.id]
        )
    left = {turn.message_id for turn in turns}
    db.executemany(
        "delete from reply_messages where reply_id = ? and message_id = ?",
        [(reply.id, turn.message_id) for turn in reply.turns if turn.message_id not in left],
    )


def _of(user_id: int, answers_to_others: set[int] | None) -> Callable[[Turn], bool]:
    """Whether a turn is a person's, or the bot's and (for all that is known) in answer to them."""

    def gone(turn: Turn) -> bool:
        if turn.role == "assistant":
            return answers_to_others is not None and turn.message_id not in answers_to_others
        return turn.author_id == user_id

    return gone


def _answers_to_others(db: Connection, reply: Reply, user_id: int) -> set[int] | None:
    """Messages of the bot in a reply's turns that answer others; None if the person's own words stand in it.

    Where theirs do not, they are among its people for an answer to them alone, whose own row may be gone.
    """
    if reply.asker_id == user_id or any(turn.author_id == user_id for turn in reply.turns):
        return None
    shown = [turn.message_id for turn in reply.turns if turn.role == "assistant" and turn.message_id is not None]
    found = [replies.by_message(db, message_id) for message_id in shown]
    return {one.message_id for one in found if one is not None and one.message_id and one.asker_id != user_id}


def _with_author(db: Connection, user_id: int) -> list[int]:
    return [int(row[0]) for row in db.execute("select reply_id from reply_authors where user_id = ?", [user_id])]
