"""Floods: one person's pairs that are more of a night than they have ever been. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

__all__ = ["beyond_the_usual", "circles"]

CHANCE = 0.01
"""Probability below which it is no chance that one moderator alone approved all of an account's pairs."""
CIRCLE = 2  # accounts


def beyond_the_usual(
    new: Sequence[tuple[int, Hashable, str]],
    older: Sequence[tuple[Hashable, str]],
    *,
    night: int,
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
        night: how many new pairs there are, with those that belong to nobody here.
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
        if seen[person] > max(floor, share * night, factor * busiest.get(person, 0)):
            found[number] = person
    return found


def circles(approved: Sequence[tuple[Hashable, Hashable]]) -> dict[Hashable, Hashable]:
    """The accounts that only ever speak to one moderator, each with that moderator; those of at least two accounts.

    Of an account with n pairs that is chance with the probability p to the n, where p is the moderator's part of what
    others said. A server's only busy moderator has no circle.

    Args:
        approved: account and moderator of each pair, of old and new ones.
    """
    theirs: dict[Hashable, Counter[Hashable]] = {}
    for account, moderator in approved:
        theirs.setdefault(account, Counter())[moderator] += 1
    everything = Counter(moderator for _, moderator in approved)
    loyal = {account: next(iter(counts)) for account, counts in theirs.items() if len(counts) == 1}
    # Accounts of a circle must not make their moderator look busy, so the part is taken from the others alone.
    others = everything - Counter(loyal[account] for account, _ in approved if account in loyal)
    total = others.total()
    found = {
        account: moderator
        for account, moderator in loyal.items()
        if total and ((others[moderator] + 1) / (total + 2)) ** theirs[account].total() < CHANCE
    }
    sizes = Counter(found.values())
    return {account: moderator for account, moderator in found.items() if sizes[moderator] >= CIRCLE}
