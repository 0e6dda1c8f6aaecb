"""Lineage: which replies each run saw, and so which adapters hold words that were withdrawn since.

A run's replies are kept as spans of numbers, since one night's snapshot is mostly the next one's too. An adapter is
marked while it is in use or in reserve and its run saw a reply that is redacted now, or a decision that was taken back
with all of a moderator's (`storage.undoings`). That is asked of the rows and never stored, so that words withdrawn in
the middle of a run mark its adapter as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from storage import runs
from storage.database import writing
from storage.timestamps import now

# A run whose snapshot came after the verdict and that began before the undoing saw it; a later one saw what stands now.
# Of a run of an earlier version only its start is known.
_MARKED = """
    select id from adapters where retired_at is null and (exists (
        select 1 from run_replies join replies on replies.id between run_replies.first_id and run_replies.last_id
        where run_replies.run_id = adapters.run_id and replies.redacted <> 0 and replies.redacted & 1
    ) or exists (
        select 1 from undoings join undone_reviews on undone_reviews.undoing_id = undoings.id
        join reviews on reviews.id = undone_reviews.review_id and reviews.verdict in ('approve', 'edit')
        join runs on runs.id = adapters.run_id
        join run_replies on run_replies.run_id = runs.id
            and undone_reviews.reply_id between run_replies.first_id and run_replies.last_id
        where undoings.reversed_at is null
            and coalesce(runs.snapshot_at, runs.started_at) >= reviews.created_at
            and runs.started_at < undoings.created_at
    ) or exists (
        select 1 from undoings join undone_decisions on undone_decisions.undoing_id = undoings.id
        join runs on runs.id = adapters.run_id
        join run_replies on run_replies.run_id = runs.id
            and undone_decisions.reply_id between run_replies.first_id and run_replies.last_id
        where undoings.reversed_at is null and undone_decisions.state = 'confirmed'
            and coalesce(runs.snapshot_at, runs.started_at) >= undone_decisions.decided_at
            and runs.started_at < undoings.created_at
    )) order by rowid
"""


def record(db: Connection, run_id: str, reply_ids: Iterable[int]) -> None:
    """Keep which replies a run's snapshot held; a second call replaces the first. Raises RunNotFound."""
    with writing(db):
        runs.get(db, run_id)
        db.execute("update runs set snapshot_at = ? where id = ?", [now(), run_id])
        db.execute("delete from run_replies where run_id = ?", [run_id])
        db.executemany(
            "insert into run_replies (run_id, first_id, last_id) values (?, ?, ?)",
            [(run_id, first, last) for first, last in spans(reply_ids)],
        )


def marked(db: Connection) -> list[str]:
    """Adapters, not retired yet, that saw words withdrawn since."""
    return [row[0] for row in db.execute(_MARKED)]


def retire_marked(db: Connection, keep: str | None = None, guild_id: int | None = None) -> list[str]:
    """Retire the marked adapters of a voice for good, but for `keep`; returns their ids.

    The voice is a server's own, or (None) the one of all servers.
    """
    with writing(db):
        of_voice = {row[0] for row in db.execute("select id from adapters where guild_id is ?", [guild_id])}
        found = [adapter for adapter in marked(db) if adapter != keep and adapter in of_voice]
        db.executemany("update adapters set retired_at = ? where id = ?", [(now(), adapter) for adapter in found])
    return found


def fits_server(db: Connection, adapter_id: str, guild_id: int) -> bool:
    """Whether an adapter learned from nothing but the operator's own pairs and those of one server.

    Nor from words withdrawn since. One that no run here trained was brought by the operator.
    """
    elsewhere = """
        select 1 from adapters join run_replies on run_replies.run_id = adapters.run_id
        join replies on replies.id between run_replies.first_id and run_replies.last_id
        where adapters.id = ? and (replies.guild_id <> ? or (replies.guild_id is null and replies.source = 'discord'))
    """
    return db.execute(elsewhere, [adapter_id, guild_id]).fetchone() is None and adapter_id not in marked(db)


def spans(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Sorted numbers as spans (first, last) without gaps. Pure."""
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found
