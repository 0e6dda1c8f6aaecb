"""A moderator's queue: the replies of one server that wait for a verdict, in an order of choice.

The place in the queue is the reply last shown, so it needs no memory: skipping is going on to the reply after it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from sqlite3 import Connection

from storage.conditions import WAITING
from storage.replies import read_row
from storage.review_records import QueueCard, QueueOrder

# Which comes first, and what is behind a reply. Unsure are those that did not come to their end, then the others from
# the lowest confidence up, then those where it was not measured; equal ones in the order of their numbers. The words
# are those of the index (m025), or it would not be used.
_DOUBT = "(case finish_reason when 'stop' then coalesce(confidence, 2.0) else coalesce(confidence, 0.0) - 1.0 end)"
_ORDER: dict[QueueOrder, str] = {"newest": "id desc", "oldest": "id", "unsure": f"{_DOUBT}, id"}
_BEHIND: dict[QueueOrder, str] = {
    "newest": "id < :after",
    "oldest": "id > :after",
    "unsure": f"({_DOUBT}, id) > (select {_DOUBT}, id from replies where id = :after)",  # noqa: S608
}
# In one of the channels of `:places`; null is all of them.
_THERE = "(:places is null or channel_id in (select value from json_each(:places)))"


def next_card(
    db: Connection, guild_id: int, order: QueueOrder, after: int | None = None, places: Sequence[int] | None = None
) -> QueueCard | None:
    """The first waiting reply of a server, or the first behind reply `after`; None at the end of the queue.

    With `places`, only replies in these channels and threads are in the queue.
    """
    place = "" if after is None else f"and {_BEHIND[order]}"
    # Put together from constants, never from a caller's text.
    waiting = f"from replies where guild_id = :guild and {WAITING} and {_THERE} {place}"
    values = {"guild": guild_id, "after": after, "places": _listed(places)}
    for row in db.execute(f"select * {waiting} order by {_ORDER[order]} limit 1", values):
        (left,) = db.execute(f"select count(*) {waiting}", values).fetchone()
        return QueueCard(read_row(row), left)
    return None


def waiting(db: Connection, guild_id: int, places: Sequence[int] | None = None) -> int:
    """How many replies of a server wait for a verdict; with `places`, in these channels and threads."""
    sql = f"select count(*) from replies where guild_id = :guild and {WAITING} and {_THERE}"  # noqa: S608
    (count,) = db.execute(sql, {"guild": guild_id, "places": _listed(places)}).fetchone()
    return int(count)


def _listed(places: Sequence[int] | None) -> str | None:
    return None if places is None else json.dumps(list(places))
