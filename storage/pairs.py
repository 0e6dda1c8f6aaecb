"""Pairs: derived from replies and their latest review, in one indexed query, and never copied.

An approved reply gives its own text, an edited one the moderator's. Consent is read at the moment of asking, so
opting out takes effect on the next snapshot with nothing to update.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from storage.quarantine import NOT_SET_ASIDE
from storage.records import ConsentRule, Pair, PairCounts
from storage.replies import WAITING
from storage.turns import decode_turns

# One row for each reply that has a verdict, with the one that stands.
_JUDGED = """
    replies join reviews on reviews.id = (select max(id) from reviews as latest where latest.reply_id = replies.id)
"""
_APPROVED = "reviews.verdict in ('approve', 'edit') and replies.redacted = 0"
# An operator's own material (imports, the terminal) needs nobody's leave. On Discord everybody whose words are in
# the turns, and who asked, must have opted in; a turn without an author has nobody to ask.
CONSENTED = """
    (replies.source <> 'discord' or (replies.authors_known and not exists (
        select 1 from reply_authors left join consents on consents.user_id = reply_authors.user_id
        where reply_authors.reply_id = replies.id and coalesce(consents.opted_in, 0) = 0
    )))
"""
# The statements below are put together from the constants above, never from a caller's text.
_PAIRS = f"""
    select replies.id, conversation, turns, coalesce(edited_text, text), reviews.created_at,
        verdict = 'edit', source, reviewer, adapter,
        (select group_concat(user_id) from reply_authors where reply_id = replies.id)
    from {_JUDGED} where {_APPROVED}
"""  # noqa: S608


def eligible(db: Connection, consent: ConsentRule, reply_ids: Sequence[int] | None = None) -> Iterator[Pair]:
    """Pairs that may be trained on, by reply number, one at a time from one consistent view; none from quarantine.

    With `reply_ids`, those of these that are eligible still. `"members"` wants the consent of everybody whose words are
    in the turns; `"operator"` takes every approved pair.
    Read to the end (or close the iterator) before writing with the same store.
    """
    clauses = f"{_PAIRS} and {NOT_SET_ASIDE} and {_consent_clause(consent)}"
    if reply_ids is None:
        return _read(db, f"{clauses} order by replies.id")
    clauses += " and replies.id in (select value from json_each(?)) order by replies.id"
    return _read(db, clauses, [json.dumps(list(reply_ids))])


def approved(db: Connection) -> Iterator[Pair]:
    """Every approved pair that is not redacted, by reply number: what an export holds."""
    return _read(db, f"{_PAIRS} order by replies.id")


def search(db: Connection, guild_id: int, text: str, limit: int, *, unowned: bool = False) -> list[Pair]:
    """Approved pairs of one server that hold `text` in any message or the reply, newest first.

    `unowned` adds those that belong to no server: what the operator imported.
    """
    pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    clauses = f"""
        {_PAIRS} and (replies.guild_id = ? or (? and replies.guild_id is null and source = 'import'))
        and (coalesce(edited_text, text) like ? escape '\\' or exists (
            select 1 from json_each(turns) as turn where turn.value ->> 'content' like ? escape '\\'))
        order by replies.id desc limit ?
    """  # noqa: S608
    return list(_read(db, clauses, [guild_id, unowned, pattern, pattern, limit]))


def counts(db: Connection, consent: ConsentRule) -> PairCounts:
    """How many replies stand where. Redacted ones count nowhere."""
    pending = f"select count(*) from replies where {WAITING}"  # noqa: S608
    judged = f"""
        select coalesce(sum({_APPROVED}), 0), coalesce(sum(reviews.verdict = 'reject' and redacted = 0), 0),
            coalesce(sum({_APPROVED} and {NOT_SET_ASIDE} and {_consent_clause(consent)}), 0)
        from {_JUDGED}
    """  # noqa: S608
    (waiting,) = db.execute(pending).fetchone()
    yes, no, usable = db.execute(judged).fetchone()
    return PairCounts(pending=waiting, approved=yes, rejected=no, eligible=usable)


def _consent_clause(consent: ConsentRule) -> str:
    if consent == "members":
        return CONSENTED
    if consent == "operator":
        return "1"
    raise ValueError(f"consent is 'members' or 'operator', not {consent!r}")


def _read(db: Connection, sql: str, values: Sequence[object] = ()) -> Iterator[Pair]:
    for reply_id, conversation, turns, completion, approved_at, edited, source, reviewer, adapter, people in db.execute(
        sql, values
    ):
        yield Pair(
            reply_id,
            conversation,
            decode_turns(turns),
            completion,
            approved_at,
            bool(edited),
            source,
            reviewer,
            adapter,
            tuple(sorted(map(int, people.split(",")))) if people else (),
        )
