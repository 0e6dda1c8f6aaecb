"""How much people change what the bot said before it is approved: the figure that moderators feel, by adapter and week.

0 % is an answer approved as it was, 100 % one that was written anew. Rejected answers have no words to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from sqlite3 import Connection

from storage.conditions import APPROVED, REVIEWED
from storage.review_records import EditDistance

__all__ = ["by_adapter", "by_week", "changed_share", "distance", "everywhere"]

_MOST = 5_000
"""Approvals that are looked at, the newest: older adapters are of no interest any more."""

_MOST_EVERYWHERE, _ADAPTERS = 1_000, 12
"""The same for all servers together, and the newest adapters of these: a monitor asks every minute."""

_APPROVALS = f"""
    select coalesce(adapter, ''), substr(reviews.created_at, 1, 10), text, edited_text from {REVIEWED}
    where {APPROVED} and source <> 'import'
"""  # noqa: S608 - put together from constants
_ROWS = f"{_APPROVALS} and replies.guild_id = ? and reviews.created_at >= ? order by reviews.id desc limit {_MOST}"
_EVERYWHERE = f"{_APPROVALS} order by reviews.id desc limit {_MOST_EVERYWHERE}"


def by_adapter(db: Connection, guild_id: int) -> list[EditDistance]:
    """Of each adapter's approved answers ("": the bare base), the share of the text that was changed; newest last."""
    rows = db.execute(_ROWS, [guild_id, ""]).fetchall()
    return _means((adapter, said, edited) for adapter, _, said, edited in rows)[::-1]


def everywhere(db: Connection) -> list[EditDistance]:
    """By adapter, over all servers: the newest approvals and the newest adapters of them; newest last."""
    rows = db.execute(_EVERYWHERE).fetchall()
    return _means((adapter, said, edited) for adapter, _, said, edited in rows)[:_ADAPTERS][::-1]


def by_week(db: Connection, guild_id: int, since: str) -> list[EditDistance]:
    """The same for each week from `since` (2026-11-23) on, named by its Monday, oldest first."""
    rows = db.execute(_ROWS, [guild_id, since]).fetchall()
    return sorted(_means((_monday(day), said, edited) for _, day, said, edited in rows), key=lambda one: one.name)


def changed_share(said: str, approved: str) -> float:
    """Edits of single characters from one text to the other, as a share of the longer one. Pure."""
    longer = max(len(said), len(approved))
    return distance(said, approved) / longer if longer else 0.0


def distance(one: str, other: str) -> int:
    """Levenshtein's distance, a whole column in a few operations on long integers (Hyyrö 2003). Pure."""
    if not one or not other:
        return len(one) + len(other)
    where: dict[str, int] = {}
    for number, sign in enumerate(one):
        where[sign] = where.get(sign, 0) | (1 << number)
    everywhere, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    up, down, count = everywhere, 0, len(one)  # where the column rises and falls by one
    for sign in other:
        equal = where.get(sign, 0)
        diagonal = (((equal & up) + up) ^ up) | equal | down
        right_up = down | (everywhere & ~(diagonal | up))
        right_down = up & diagonal
        count += bool(right_up & last) - bool(right_down & last)
        right_up = (right_up << 1) | 1
        up = ((right_down << 1) | ~(diagonal | right_up)) & everywhere
        down = right_up & diagonal & everywhere
    return count


def _means(rows: Iterable[tuple[str, str, str | None]]) -> list[EditDistance]:
    shares: dict[str, list[float]] = {}
    for name, said, edited in rows:
        shares.setdefault(name, []).append(0.0 if edited is None else changed_share(said, edited))
    return [
        EditDistance(name, len(some), sum(share > 0 for share in some), sum(some) / len(some))
        for name, some in shares.items()
    ]


def _monday(day: str) -> str:
    found = date.fromisoformat(day)
    return (found - timedelta(days=found.weekday())).isoformat()
