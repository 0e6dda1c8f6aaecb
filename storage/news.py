"""News: how much each server's own voice has to learn, and how much of it is new since its last whole run.

Numbers alone, for all servers in a few queries. What may be learned from is decided by the conditions of
storage/pairs.py.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Connection

from storage import lineage, origins, promotions
from storage.conditions import APPROVED, REVIEWED
from storage.pair_records import ConsentRule
from storage.pairs import consent_clause
from storage.quarantine import LET_IN, NOT_SET_ASIDE
from storage.reply_records import Origin

__all__ = ["ServerNews", "by_server"]

_TRAINED = "runs.outcome in ('promoted', 'kept')"
_ELIGIBLE = f"{APPROVED} and {NOT_SET_ASIDE} and {LET_IN} and {origins.LEARNED}"

# All statements here are put together from constants.
_OF_SERVERS = f"""
    select replies.guild_id, count(*), sum(reviews.created_at > coalesce((
        select max(started_at) from runs where runs.guild_id = replies.guild_id and {_TRAINED}
    ), '')) from {REVIEWED}
    where {_ELIGIBLE} and replies.guild_id is not null
        and replies.guild_id not in (select guild_id from left_servers)
        and (not :named or replies.guild_id in (select value from json_each(:servers))) and %s
    group by replies.guild_id order by replies.guild_id
"""  # noqa: S608

_OF_OPERATOR = f"""
    select reviews.created_at from {REVIEWED}
    where {_ELIGIBLE} and replies.guild_id is null and replies.source <> 'discord' and %s order by reviews.created_at
"""  # noqa: S608

_LAST = f"""
    select started_at, finished_at from runs
    where {_TRAINED} and finished_at is not null and guild_id = ? order by number desc limit 1
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class ServerNews:
    """What a server's own voice could learn tonight.

    Attributes:
        guild_id: the server.
        pairs: eligible ones; those of the operator's own that are shared count too.
        new: of these, approved since its last whole run.
        withdrawn: whether words were withdrawn that its adapter in use has learned from.
        minutes: how long its last whole run took; None where there was none.
    """

    guild_id: int
    pairs: int
    new: int
    withdrawn: bool = False
    minutes: float | None = None


def by_server(
    db: Connection,
    consent: ConsentRule,
    *,
    servers: Sequence[int] = (),
    learn_from: Collection[Origin],
    imports: bool = True,
) -> list[ServerNews]:
    """The news of each server that has an eligible pair of its own, by its id.

    Args:
        db: an open database.
        consent: as for the pairs of a run.
        servers: those that the operator named; none: every server teaches its own voice.
        learn_from: as for the pairs of a run.
        imports: whether the operator's own pairs teach every voice.
    """
    values = {
        "named": bool(servers),
        "servers": json.dumps(list(servers)),
        "excluded": origins.excluded(db, learn_from),
    }
    rows = db.execute(_OF_SERVERS % consent_clause(consent), values).fetchall()
    shared = _approved_at(db, consent, values) if imports and rows else []
    marked = set(lineage.marked(db))
    found = []
    for guild_id, pairs, new in rows:
        began, minutes = _last_run(db, guild_id)
        unseen = len(shared) - bisect_right(shared, began)
        withdrawn = bool(marked) and promotions.champion(db, guild_id) in marked
        found.append(ServerNews(guild_id, pairs + len(shared), new + unseen, withdrawn, minutes))
    return found


def _approved_at(db: Connection, consent: ConsentRule, values: Mapping[str, object]) -> list[str]:
    return [str(row[0]) for row in db.execute(_OF_OPERATOR % consent_clause(consent), values)]


def _last_run(db: Connection, guild_id: int) -> tuple[str, float | None]:
    """When the last whole run of a server's voice began, "" where there was none, and the minutes that it took."""
    for began, ended in db.execute(_LAST, [guild_id]):
        took = datetime.fromisoformat(ended) - datetime.fromisoformat(began)
        return began, max(0.0, took.total_seconds() / 60)
    return "", None
