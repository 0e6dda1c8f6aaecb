"""Floods: one person's pairs that are more of a night than they have ever been. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

__all__ = ["beyond_the_usual"]


def beyond_the_usual(
    new: Sequence[tuple[int, Hashable, str]],
    older: Sequence[tuple[Hashable, str]],
    *,
    share: float,
    factor: float,
    floor: int,
    at_least: int,
) -> dict[int, Hashable]:
    """Which new pairs are one person's flood, by reply number; the oldest of theirs are never.

    A person may have `share` of the new pairs, or `factor` times what they had on their busiest day before, or `floor`,
    whichever is most.

    Args:
        new: reply number, person and time of approval of each new pair.
        older: person and time of approval of each pair that is no longer new.
        share: the part of a night that one person's pairs may be.
        factor: how many times their busiest day.
        floor: how many in any case.
        at_least: with fewer people than this, there is nobody to compare with and nothing is a flood.
    """
    people = {person for _, person, _ in new} | {person for person, _ in older}
    if len(people) < at_least:
        return {}
    days = Counter((person, moment[:10]) for person, moment in older)
    busiest: dict[Hashable, int] = {}
    for (person, _), count in days.items():
        busiest[person] = max(count, busiest.get(person, 0))
    found: dict[int, Hashable] = {}
    seen: Counter[Hashable] = Counter()
    for number, person, _ in sorted(new, key=lambda one: (one[2], one[0])):
        seen[person] += 1
        if seen[person] > max(floor, share * len(new), factor * busiest.get(person, 0)):
            found[number] = person
    return found
