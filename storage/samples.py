"""Samples: the held-out questions and answers that a run keeps in its details, for people to judge adapters by.

They are members' words outside the replies, so what is withdrawn there goes here too: a sample that names its reply
(`reply_id`) when that reply is redacted, one that does not when any reply its run saw is. Its place stays, empty, for
votes know a sample by its number.
"""

from __future__ import annotations

import json
from sqlite3 import Connection
from typing import Any

_CONCERNED = """
    select id, details from runs where json_type(details, '$.samples') = 'array' and exists (
        select 1 from run_replies join replies on replies.id between run_replies.first_id and run_replies.last_id
        where run_replies.run_id = runs.id and replies.redacted = 1
    )
"""


def withdraw(db: Connection) -> None:
    """Take out the samples whose words were withdrawn. Part of the transaction that withdraws them."""
    for run_id, text in db.execute(_CONCERNED).fetchall():
        details = json.loads(text)
        kept = [sample if _is_clean(db, sample) else None for sample in details["samples"]]
        if kept != details["samples"]:
            details["samples"] = kept
            db.execute("update runs set details = ? where id = ?", [json.dumps(details), run_id])


def _is_clean(db: Connection, sample: Any) -> bool:
    reply_id = sample.get("reply_id") if isinstance(sample, dict) else None
    row = db.execute("select redacted from replies where id = ?", [reply_id]).fetchone()
    return row is not None and not row[0]
