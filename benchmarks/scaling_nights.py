"""The nights of many servers with a voice each: the trainer's own order, and what a run is taken to last. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.scaling_traffic import Traffic, shares
from storage.news import ServerNews
from trainer.night_queue import Planned, next_run, plan

__all__ = ["Night", "nights"]


@dataclass(frozen=True)
class Night:
    """One night: runs that were due, that were made, and the nights that the longest has waited."""

    due: int
    made: int
    longest_wait: int


def nights(
    traffic: Traffic,
    *,
    hours: float,
    count: int,
    kept: float = 0.1,
    seconds_a_pair: float = 0.05,
    start_s: float = 120.0,
    min_new: int = 5,
) -> list[Night]:
    """So many nights of trainings, one server after another on one card.

    Args:
        traffic: who asks how much.
        hours: of a night.
        count: nights in a row.
        kept: share of the answers that become pairs.
        seconds_a_pair: of a run, for each pair that it learns from.
        start_s: of a run, for whatever does not grow with the pairs.
        min_new: new pairs that make a run worth it, as in the settings.
    """
    each = [traffic.messages * share * kept for share in shares(traffic)]
    pairs, new = [0.0] * len(each), [0.0] * len(each)
    waited: dict[int, int] = {}
    left: tuple[Planned, ...] = ()
    found: list[Night] = []
    for _ in range(count):
        pairs = [have + more for have, more in zip(pairs, each, strict=True)]
        new = [have + more for have, more in zip(new, each, strict=True)]
        news = [
            ServerNews(
                server, int(pairs[server]), int(new[server]), False, _minutes(pairs[server], seconds_a_pair, start_s)
            )
            for server in range(len(each))
        ]
        queue = plan(news, min_pairs=50, min_new=min_new, first=[one.guild_id for one in left])
        due, made = len(queue), _worked(queue, hours * 60)
        for one in made:
            new[one.guild_id] = 0.0
        done = {one.guild_id for one in made}
        left = tuple(one for one in queue if one.guild_id not in done)
        waited = {one.guild_id: waited.get(one.guild_id, 0) + 1 for one in left}
        found.append(Night(due, len(made), max(waited.values(), default=0)))
    return found


def _minutes(pairs: float, seconds_a_pair: float, start_s: float) -> float:
    return (start_s + pairs * seconds_a_pair) / 60


def _worked(queue: tuple[Planned, ...], minutes: float) -> list[Planned]:
    """The runs that fit, in their order."""
    made: list[Planned] = []
    while one := next_run(queue, minutes, begun=bool(made)):
        made.append(one)
        minutes -= one.minutes
        queue = tuple(other for other in queue if other != one)
    return made
