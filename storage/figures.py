"""Figures over everything that is stored, for a monitor: counts alone, no words and no names of people."""

from __future__ import annotations

from sqlite3 import Connection

from storage import edit_distances
from storage.conditions import WAITING
from storage.run_records import Figures

__all__ = ["figures"]


def figures(db: Connection) -> Figures:
    """Replies by verdict, runs by outcome and promotions by kind. Imports are no replies."""
    return Figures(
        waiting=_number(db, f"select count(*) from replies where {WAITING}"),  # noqa: S608 - a constant
        verdicts=_counts(
            db,
            "select standing, count(*) from replies "
            "where redacted = 0 and standing is not null and source <> 'import' group by standing",
        ),
        runs={
            (str(by), str(outcome)): int(count)
            for by, outcome, count in db.execute(
                "select started_by, outcome, count(*) from runs where outcome is not null group by started_by, outcome"
            )
        },
        promotions=_counts(db, "select kind, count(*) from promotions group by kind"),
        last_run_ended_at=_last(db),
        edits=edit_distances.everywhere(db),
    )


def _counts(db: Connection, query: str) -> dict[str, int]:
    return {str(name): int(count) for name, count in db.execute(query)}


def _number(db: Connection, query: str) -> int:
    return int(db.execute(query).fetchone()[0])


def _last(db: Connection) -> str | None:
    (ended,) = db.execute("select max(finished_at) from runs where outcome is not null").fetchone()
    return None if ended is None else str(ended)
