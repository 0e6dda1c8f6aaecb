"""Runs: training attempts and the numbers they report as they go."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from sqlite3 import Connection, Row
from typing import Any

from storage import erasure, samples, state
from storage.adapter_errors import RunNotFound
from storage.database import writing
from storage.run_records import Metric, Outcome, Run
from storage.timestamps import now

_FIRST_START = "schedule_first_start"
_JSON = ("config", "details", "why")
_FIXED = ("id", "trigger", "started_at", "reported_at", "guild_id")
_CHANGEABLE = frozenset(field.name for field in fields(Run)) - set(_FIXED)


def start(
    db: Connection, trigger: str, local_date: str, pid: int, config: Mapping[str, Any], *, guild_id: int | None = None
) -> Run:
    """Add a run that starts now, in stage "started". Its id is the time in UTC and four random digits.

    `guild_id` is the server whose own voice it trains, None for the one voice of all servers.
    """
    run = Run(
        id=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}",
        trigger=trigger,
        stage="started",
        started_at=now(),
        local_date=local_date,
        pid=pid,
        config=dict(config),
        guild_id=guild_id,
    )
    with writing(db):
        db.execute(
            """
            insert into runs (id, started_by, stage, started_at, local_date, pid, config, details, guild_id)
            values (?, ?, ?, ?, ?, ?, ?, '{}', ?)
            """,
            [run.id, trigger, run.stage, run.started_at, local_date, pid, json.dumps(run.config), guild_id],
        )
    return run


def update(db: Connection, /, run_id: str, **changes: Any) -> None:
    """Change fields of a run by their names in the record. `config` and `details` are replaced whole.

    Raises:
        RunNotFound: there is no such run.
        ValueError: a run has no such field, or it never changes.
    """
    wrong = sorted(set(changes) - _CHANGEABLE)
    if wrong:
        raise ValueError(f"a run has no changeable field {', '.join(wrong)}")
    values = [json.dumps(value) if name in _JSON else value for name, value in changes.items()]
    assignments = ", ".join(f"{name} = ?" for name in changes)
    with writing(db):
        get(db, run_id)
        if changes:
            # The names were checked against the record's fields above.
            db.execute(f"update runs set {assignments} where id = ?", [*values, run_id])  # noqa: S608
        # Words may have been withdrawn during the run.
        withdrawn = "details" in changes and samples.withdraw_new(db, run_id)
        if withdrawn:
            erasure.request(db)
    if withdrawn and not db.in_transaction:
        erasure.carry_out(db)


def finish(db: Connection, /, run_id: str, outcome: Outcome, reason: str, **changes: Any) -> None:
    """Close a run with its outcome and why, and any last fields."""
    update(db, run_id, **{"finished_at": now(), **changes, "outcome": outcome, "reason": reason})


def mark_reported(db: Connection, run_id: str) -> None:
    """Note that people were told how a run ended; one in progress is left alone."""
    with writing(db):
        db.execute(
            "update runs set reported_at = ? where id = ? and reported_at is null and outcome is not null",
            [now(), run_id],
        )


def unreported(db: Connection) -> list[Run]:
    """Runs of the schedule and of moderators that ended and that nobody was told of, oldest first."""
    rows = db.execute(
        """
        select * from runs where outcome is not null and reported_at is null and started_by <> 'manual'
        order by number
        """
    )
    return [_run(row) for row in rows]


def nights_since(db: Connection, run_id: str) -> list[Run]:
    """The schedule's runs that began after this one and have ended, oldest first; all where there is no such run."""
    rows = db.execute(
        """
        select * from runs where outcome is not null and started_by = 'schedule'
            and number > coalesce((select number from runs where id = ?), 0)
        order by number
        """,
        [run_id],
    )
    return [_run(row) for row in rows]


def get(db: Connection, run_id: str) -> Run:
    """The run of this id. Raises RunNotFound."""
    for row in db.execute("select * from runs where id = ?", [run_id]):
        return _run(row)
    raise RunNotFound(run_id)


def recent(db: Connection, limit: int = 20) -> list[Run]:
    """The last `limit` runs, newest first."""
    return [_run(row) for row in db.execute("select * from runs order by number desc limit ?", [limit])]


def of_voice(db: Connection, guild_id: int | None, limit: int = 20) -> list[Run]:
    """The last `limit` runs of a server's own voice, or (None) of the one voice of all servers, newest first."""
    rows = db.execute("select * from runs where guild_id is ? order by number desc limit ?", [guild_id, limit])
    return [_run(row) for row in rows]


def last(db: Connection) -> Run | None:
    """The newest run."""
    return next(iter(recent(db, 1)), None)


def nights(db: Connection) -> list[str]:
    """Local dates of the scheduled runs that are over; one that was stopped is due again, and resumes."""
    rows = db.execute("select distinct local_date from runs where started_by = 'schedule' and outcome is not null")
    return [str(row[0]) for row in rows]


def first_start(db: Connection, at: str | None = None) -> str:
    """When the schedule first began on this home: `at` (a timestamp, by default now), unless it is known already."""
    with writing(db):
        known = state.get(db, _FIRST_START)
        if known is None:
            known = at or now()
            state.put(db, _FIRST_START, known)
    return known


def log_metrics(db: Connection, run_id: str, step: int, values: Mapping[str, float]) -> None:
    """Keep what a run reports at a step. Raises RunNotFound."""
    at = now()
    with writing(db):
        get(db, run_id)
        db.executemany(
            "insert into run_metrics (run_id, step, name, value, at) values (?, ?, ?, ?, ?)",
            [(run_id, step, name, value, at) for name, value in values.items()],
        )


def metrics(db: Connection, run_id: str) -> list[Metric]:
    """Everything a run reported, in order. A value that was not a number (NaN) comes back as NaN."""
    rows = db.execute("select * from run_metrics where run_id = ? order by id", [run_id])
    return [
        Metric(
            row["run_id"],
            row["step"],
            row["name"],
            # SQLite keeps NaN as null.
            float("nan") if row["value"] is None else row["value"],
            row["at"],
        )
        for row in rows
    ]


def _run(row: Row) -> Run:
    values = dict(row)
    del values["number"], values["snapshot_at"]
    values["trigger"] = values.pop("started_by")
    for name in _JSON:
        values[name] = json.loads(values[name] or "[]")
    return Run(**values)
