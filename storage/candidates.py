"""Candidates: adapters that were kept out for lack of certainty alone, and what the pairs approved since say of them.

A candidate is an adapter like any other: withdrawn words retire it, and a moderator may choose it. Its wealth is what
`trainer.evaluation.betting` makes of the pairs; it is about one rival, and starts again when another adapter is in use.
Which pairs were counted is kept, so that none counts twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from sqlite3 import Connection, Row
from typing import Any

from storage import adapters, lineage, promotions, runs
from storage.database import writing
from storage.run_records import Adapter, Candidate
from storage.timestamps import now


def every(db: Connection, guild_id: int | None = None) -> list[Candidate]:
    """The candidates that may still be put to use, oldest first: never in use, not retired, no words withdrawn.

    Those of a server's own voice, or (None) of the one voice of all servers.
    """
    rows = db.execute(
        """
        select candidates.* from candidates join adapters on adapters.id = adapter
        where retired_at is null and guild_id is ?
        and not exists (select 1 from promotions where promotions.adapter = candidates.adapter)
        order by candidates.rowid
        """,
        [guild_id],
    )
    gone = lineage.marked(db)
    return [_candidate(row) for row in rows if row["adapter"] not in gone]


def keep(
    db: Connection, run_id: str, adapter: Adapter, *, most: int, reason: str, why: Sequence[dict[str, Any]]
) -> list[str]:
    """Close a run as kept and make what it published a candidate; returns the ids of those that had to make room.

    These are retired. The least convincing goes first, and of equal ones the oldest. One transaction. All of it is
    about the voice that the run trained.
    """
    with writing(db):
        voice = runs.get(db, run_id).guild_id
        if adapter.id not in {one.id for one in adapters.every(db)}:
            adapters.add(db, replace(adapter, guild_id=voice))
        db.execute(
            "insert or ignore into candidates (adapter, rival, wealth, pairs, created_at) values (?, ?, '[]', 0, ?)",
            [adapter.id, promotions.champion(db, voice), now()],
        )
        runs.finish(db, run_id, "kept", reason, why=list(why))
        older = [one for one in every(db, voice) if one.adapter != adapter.id]
        worst = sorted(older, key=lambda one: sum(one.wealth) / len(one.wealth) if one.wealth else 1.0)
        dropped = [one.adapter for one in worst[: max(0, len(older) + 1 - most)]]
        for one in dropped:
            adapters.retire(db, one)
    return dropped


def counted(db: Connection, adapter: str) -> set[int]:
    """Replies whose pairs were counted for or against a candidate."""
    return {row[0] for row in db.execute("select reply_id from candidate_pairs where adapter = ?", [adapter])}


def count(db: Connection, adapter: str, rival: str | None, wealth: Sequence[float], gains: Mapping[int, float]) -> None:
    """Keep what some more pairs say of a candidate against the adapter in use: the gain on each, by reply number."""
    with writing(db):
        db.executemany(
            "insert or ignore into candidate_pairs (adapter, reply_id) values (?, ?)",
            [(adapter, number) for number in sorted(gains)],
        )
        db.execute(
            """
            update candidates set
                pairs = iif(rival is :rival, pairs, 0) + :pairs,
                gain = iif(rival is :rival, gain, 0.0) + :gain,
                rival = :rival,
                wealth = :wealth
            where adapter = :adapter
            """,
            {
                "adapter": adapter,
                "rival": rival,
                "pairs": len(gains),
                "gain": sum(gains.values()),
                "wealth": json.dumps(list(wealth)),
            },
        )


def _candidate(row: Row) -> Candidate:
    return Candidate(
        row["adapter"],
        row["rival"],
        tuple(json.loads(row["wealth"])),
        row["pairs"],
        row["gain"],
        row["created_at"],
    )
