"""A seeded weighted reservoir: which pairs stay when there are more than a run can learn from.

Efraimidis and Spirakis (2006), algorithm A-Res: a pair of weight w gets the key u^(1/w) with u uniform on (0, 1), and
the largest keys stay. Here u comes from the pair's words and the seed, and a pair's weight halves with each half-life
of its age, so the order of two pairs is the same on every night: a choice changes only as pairs come and go.
Pure: numbers in, numbers out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["scores", "smallest", "uniform"]


def scores(
    words: NDArray[np.uint64],
    approved_s: NDArray[np.float64],
    edited: NDArray[np.bool_],
    *,
    half_life_s: float,
    edited_weight: float,
    seed: int,
) -> NDArray[np.float64]:
    """How late each pair is in the queue for a place: the smallest scores stay.

    With k = u^(1/w), the score is log(-log k) = log(-log u) - log w. It falls as k rises and does not overflow,
    however old a pair is.

    Args:
        words: hash of each pair's words [n].
        approved_s: when it was approved, in seconds since any fixed moment [n].
        edited: whether a moderator wrote the words [n].
        half_life_s: age at which a pair weighs half, in seconds.
        edited_weight: how many times as much an edited pair weighs.
        seed: another seed, another choice.

    Returns:
        Scores [n].
    """
    log_weight = approved_s * (np.log(2.0) / half_life_s) + np.where(edited, np.log(edited_weight), 0.0)
    lateness: NDArray[np.float64] = np.log(-np.log(uniform(words, seed))) - log_weight
    return lateness


def uniform(words: NDArray[np.uint64], seed: int) -> NDArray[np.float64]:
    """Numbers in (0, 1) that follow from the hashes and the seed alone (the finaliser of splitmix64, Steele 2014)."""
    z = words + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return ((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53


def smallest(values: NDArray[np.float64], among: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    """The `size` indices of `among` with the smallest values; all of them if there are no more."""
    if len(among) <= size:
        return among
    return among[np.argpartition(values[among], size)[:size]]
