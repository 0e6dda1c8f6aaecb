"""The night's work where each server has a voice of its own: one run after another, until the night is over.

Servers with enough news train, those with the most news a minute first. A run that is not expected to end in time
does not begin, and what is left goes first in the next night. `plan` and `next_run` are pure; the queue is kept in the
store, so that a bot that was stopped continues with it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

from storage.async_store import AsyncStore
from storage.news import ServerNews
from storage.run_records import Run
from storage.store import Store

__all__ = ["Night", "Planned", "begin", "next_run", "nights", "plan", "work_through"]

_STATE = "night_queue"
_MINUTES_A_PAIR = 0.05
"""Of a run that nothing is known of: 1,000 pairs in 50 minutes. Only what others took tonight makes a difference."""


@dataclass(frozen=True)
class Planned:
    """A server whose voice is to be trained, and how many minutes that is expected to take."""

    guild_id: int
    minutes: float


@dataclass(frozen=True)
class Night:
    """The queue of one night.

    Attributes:
        date: its local date, as 2026-11-23.
        began: when its first run began, in ISO 8601.
        left: what is still to be done, in this order.
        over: whether no run begins any more; what is left is the next night's.
        before: the date of the last night that was over before it.
    """

    date: str
    began: str
    left: tuple[Planned, ...]
    over: bool = False
    before: str | None = None


def plan(
    news: Sequence[ServerNews],
    *,
    min_pairs: int,
    min_new: int,
    first: Sequence[int] = (),
    without: Collection[int] = (),
) -> tuple[Planned, ...]:
    """The servers that have enough to learn, in the order in which they train.

    Args:
        news: of every server.
        min_pairs: with fewer eligible pairs a server waits.
        min_new: with fewer new ones too, unless words were withdrawn that its adapter knows.
        first: servers that were left by the night before, in their order.
        without: servers that trained this night.
    """
    worth = [
        one
        for one in news
        if one.guild_id not in without and one.pairs >= min_pairs and (one.withdrawn or one.new >= max(1, min_new))
    ]
    expected = _minutes(news)
    place = {guild_id: number for number, guild_id in enumerate(first)}

    def order(one: ServerNews) -> tuple[int, float, int, int]:
        waited = place.get(one.guild_id, len(place))
        return waited, -one.new / max(expected[one.guild_id], 1e-6), -one.new, one.guild_id

    return tuple(Planned(one.guild_id, expected[one.guild_id]) for one in sorted(worth, key=order))


def _minutes(news: Sequence[ServerNews]) -> dict[int, float]:
    """Minutes that a run of each server will take: as its last one, or as its pairs took elsewhere."""
    known = [(one.minutes, one.pairs) for one in news if one.minutes is not None and one.pairs]
    each = sum(minutes for minutes, _ in known) / sum(pairs for _, pairs in known) if known else _MINUTES_A_PAIR
    return {one.guild_id: each * one.pairs if one.minutes is None else one.minutes for one in news}


def next_run(left: Sequence[Planned], minutes: float, *, begun: bool) -> Planned | None:
    """The first that is expected to end within so many minutes; the first of a night always begins.

    Otherwise a server whose run is longer than a night would never train.
    """
    if minutes <= 0:
        return None
    if not begun:
        return next(iter(left), None)
    return next((one for one in left if one.minutes <= minutes), None)


def nights(store: Store) -> list[str]:
    """Local dates of the nights that are over, for the schedule."""
    night = _kept(store)
    if night is None:
        return store.nights()  # as long as all servers had one voice
    date = night.date if night.over else night.before
    return [] if date is None else [date]


def begin(store: Store, date: str, now: datetime, planned: Callable[..., tuple[Planned, ...]]) -> Night:
    """Begin a night, or go on with one that was stopped. `planned` is `plan`, but for `first` and `without`."""
    kept = _kept(store)
    first = [one.guild_id for one in kept.left] if kept is not None else []
    ran = {run.guild_id for run in store.runs(limit=1000) if run.outcome is not None and _of_night(run, date)}
    left = planned(first=first, without=ran)
    if kept is not None and kept.date == date and not kept.over:
        return _keep(store, replace(kept, left=left))
    before = None
    if kept is not None:
        before = kept.date if kept.over else kept.before
    return _keep(store, Night(date, now.isoformat(), left, before=before))


async def work_through(
    store: AsyncStore,
    night: Night,
    hours: float,
    train: Callable[[int], Awaitable[object]],
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    *,
    may: Callable[[], Awaitable[bool]] | None = None,
) -> Night:
    """Train one server after another until the night is over; returns what was left.

    Args:
        store: keeps the queue.
        night: from `begin`.
        hours: how long after its beginning a run may still end.
        train: trains a server's voice; a failure is its own to tell.
        clock: tells the time.
        may: whether it is still this process that runs the nights. One that was stopped for a while leaves the queue to
            the process that continued it.
    """
    end = datetime.fromisoformat(night.began) + timedelta(hours=hours)
    begun = False
    while one := next_run(night.left, (end - clock()).total_seconds() / 60, begun=begun):
        begun = True
        await train(one.guild_id)
        if may is not None and not await may():
            return night
        left = tuple(other for other in night.left if other.guild_id != one.guild_id)
        night = await store.call(_keep, replace(night, left=left))
    return await store.call(_keep, replace(night, over=True))


def _of_night(run: Run, date: str) -> bool:
    return run.trigger == "schedule" and run.local_date == date


def _keep(store: Store, night: Night) -> Night:
    store.set_state(_STATE, json.dumps(asdict(night)))
    return night


def _kept(store: Store) -> Night | None:
    text = store.state(_STATE)
    if text is None:
        return None
    values = json.loads(text)
    return Night(**{**values, "left": tuple(Planned(**one) for one in values["left"])})
