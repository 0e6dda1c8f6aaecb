"""Samples: the held-out questions and answers that a run keeps in its details, for people to judge adapters by.

They are members' words outside the replies, so what is withdrawn or deleted there goes here too: a sample that names
its reply (`reply_id`) when that reply is redacted or gone, one that does not when any reply its run saw is, and every
sample that recites withdrawn words. Its place stays, empty, for votes know a sample by its number.
"""

from __future__ import annotations

import json
from sqlite3 import Connection
from typing import Any

from storage import posts
from storage.redaction_rules import RemovedWords

# A sample that names a reply is concerned when it is redacted or no longer there; one that names none, when any is that
# its run saw.
_CONCERNED = """
    select id, details from runs where json_type(details, '$.samples') = 'array' and (
        exists (
            select 1 from json_each(details, '$.samples') as sample
            left join replies on replies.id = sample.value ->> 'reply_id'
            where sample.type = 'object' and coalesce(replies.redacted, 1) <> 0 and (
                sample.value ->> 'reply_id' is not null or exists (
                    select 1 from run_replies join replies as seen
                        on seen.id between run_replies.first_id and run_replies.last_id
                    where run_replies.run_id = runs.id and seen.redacted <> 0
                )
            )
        ) or ?
    )
"""


def withdraw(db: Connection, words: RemovedWords | None = None) -> bool:
    """Take out the samples whose words were withdrawn or deleted; returns whether there were any.

    Part of the transaction that does so. `words` are those that were withdrawn: what recites them goes, too.
    """
    found = False
    for run_id, text in db.execute(_CONCERNED, [bool(words)]).fetchall():
        details = json.loads(text)
        kept = [sample if _may_stay(db, run_id, sample, words) else None for sample in details["samples"]]
        if kept != details["samples"]:
            found = True
            for number, sample in enumerate(kept):
                if sample is None:
                    posts.withdraw_question(db, run_id, number)
            details["samples"] = kept
            db.execute("update runs set details = ? where id = ?", [json.dumps(details), run_id])
    return found


def withdraw_new(db: Connection, run_id: str) -> bool:
    """Take out what may not stay of the samples that a run records just now; returns whether there was anything.

    If words that it learned from were withdrawn during the run, that is all of them: nobody knows any more which
    words those were, and its answers may recite them. Part of the transaction that stores them.
    """
    saw_withdrawn = """
        select 1 from run_replies join replies on replies.id between first_id and last_id
        where run_id = ? and redacted <> 0 and redacted & 1
    """
    if db.execute(saw_withdrawn, [run_id]).fetchone() is None:
        return withdraw(db)
    (text,) = db.execute("select details from runs where id = ?", [run_id]).fetchone()
    details = json.loads(text)
    if not isinstance(details.get("samples"), list) or not any(details["samples"]):
        return withdraw(db)
    details["samples"] = [None] * len(details["samples"])
    db.execute("update runs set details = ? where id = ?", [json.dumps(details), run_id])
    return True


def _may_stay(db: Connection, run_id: str, sample: Any, words: RemovedWords | None) -> bool:
    if not isinstance(sample, dict):
        return False
    if words and words.recited_in(" \n ".join(value for value in sample.values() if isinstance(value, str))):
        return False
    if sample.get("reply_id") is not None:
        row = db.execute("select redacted from replies where id = ?", [sample["reply_id"]]).fetchone()
        return row is not None and not row[0]
    seen = """
        select 1 from run_replies join replies on replies.id between first_id and last_id
        where run_id = ? and redacted <> 0
    """
    return db.execute(seen, [run_id]).fetchone() is None
