"""Shares: no one person's pairs make up more than a part of what is learned.

Pure: who each pair belongs to, as numbers, in; which pairs are too many, out.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["NOBODY", "beyond_share", "limit"]

NOBODY = -1
"""Whom a pair belongs to that counts towards nobody's share: the operator's own encoded."""


def limit(counts: Iterable[int], free: int, share: float, floor: int) -> int:
    """The largest number of pairs that each person may keep so that nobody has more than `share` of what is then left.

    Args:
        counts: pairs of each person.
        free: pairs that belong to nobody.
        share: the largest part of the whole, between 0 and 1.
        floor: so many may stay in any case.
    """
    each = sorted(counts)
    cap = each[-1] if each else floor
    while cap > floor:
        allowed = int(share * (free + sum(min(count, cap) for count in each)))
        if allowed >= cap:
            return cap
        cap = allowed
    return max(cap, floor)


def beyond_share(
    people: NDArray[np.int64], order: NDArray[np.float64], *, share: float, floor: int, at_least: int
) -> NDArray[np.bool_]:
    """Which pairs are one person's beyond their share.

    Args:
        people: a number for the person of each pair, or `NOBODY` [n].
        order: a person's smallest stay [n].
        share: the largest part of all n that may be one person's; 1 and nobody is limited.
        floor: as many of a person's pairs stay in any case.
        at_least: with fewer people than this among the pairs, nobody is limited.

    Returns:
        True where a pair is too many [n].
    """
    too_many = np.zeros(len(people), dtype=bool)
    names, counts = np.unique(people[people != NOBODY], return_counts=True)
    if share >= 1.0 or len(names) < at_least:
        return too_many
    cap = limit(counts.tolist(), int((people == NOBODY).sum()), share, floor)
    for name in names[counts > cap]:
        theirs = np.flatnonzero(people == name)
        too_many[theirs[np.argsort(order[theirs], kind="stable")[cap:]]] = True
    return too_many
