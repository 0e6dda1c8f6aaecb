"""Leases: what only one of several processes on this database may do at a time, and who may at the moment.

A holder renews its lease again and again. One that has given no sign for SILENCE_S is taken for dead, and the next that
asks takes its place. Times are seconds of the machine's monotonic clock: no setting of the time moves it, and all
processes of a host share it. So a database with leases belongs to one host.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from sqlite3 import Connection

from storage.database import writing

__all__ = ["BEAT_S", "SILENCE_S", "Lease", "give_back", "holder", "may_take", "take"]

BEAT_S = 5.0
"""How often a holder renews its lease, and others look whether they may take it."""
SILENCE_S = 20.0
"""After so long without a sign, a holder is taken for dead."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds it, and when it was renewed last."""

    holder: str
    renewed_s: float


def may_take(lease: Lease | None, holder: str, now_s: float) -> bool:
    """Whether `holder` may take a lease, or keep it. Pure.

    A time that is to come was written before the machine was started anew, where the clock began at 0 again.
    """
    if lease is None or lease.holder == holder:
        return True
    return not 0 <= now_s - lease.renewed_s < SILENCE_S


def take(db: Connection, name: str, who: str) -> bool:
    """Take a lease or renew it; returns whether `who` holds it now. Raises DatabaseBusy."""
    with writing(db):
        now_s = time.monotonic()  # inside: it may have taken a while until others had written
        if not may_take(holder(db, name), who, now_s):
            return False
        db.execute("insert or replace into leases (name, holder, renewed_s) values (?, ?, ?)", [name, who, now_s])
    return True


def holder(db: Connection, name: str) -> Lease | None:
    """Who held a lease last; it may have died since."""
    row = db.execute("select holder, renewed_s from leases where name = ?", [name]).fetchone()
    return None if row is None else Lease(str(row[0]), float(row[1]))


def give_back(db: Connection, name: str, who: str) -> None:
    """Let go of a lease, so that the next one need not wait; nothing where somebody else holds it."""
    with writing(db):
        db.execute("delete from leases where name = ? and holder = ?", [name, who])
