"""Losses far above the rest, robustly. Pure: losses and lengths in, how far off each is out.

A short reply costs more nats per token than a long one, so losses are first brought to one length. Then their
logarithms are compared with a centre and a spread that must hold when two in five replies are poison. Poison that makes
no sense lies above the rest and never below, so the centre is that of the narrowest half (the "shorth", Andrews et al.
1972) and the spread at first that of the losses below it; then what is too far off is left out until nothing changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIN_REFERENCE", "distances", "poison_of_a_night"]

Floats = NDArray[np.float64]

LENGTH_EXPONENT = -0.18
"""Nats per token fall with this power of the number of tokens: -0.24 on long comments, flatter on short chat."""
MIN_SPREAD = 0.05
"""Losses within five percent are never far apart, however alike the others are."""
MIN_REFERENCE = 20
"""Fewer losses than this say nothing about what is usual."""
ROUNDS = 12
SENSELESS, SENSELESS_SPREAD = 4.0, 1.2
"""Where replies that make no sense lie, in spreads above the centre (docs/lab/learning.md)."""
STRAY, STRAY_SPREAD = 0.03, 2.2
"""Part of good replies that stray, and how far."""
FIRST_GUESS, GUESSES = 1.0, 29.0
"""A night's share of senseless replies begins as if one of thirty had been seen."""
NORMAL = 0.6745
"""Median distance from the mean of a normal distribution, in standard deviations."""


def distances(losses: Floats, tokens: Floats, known: NDArray[np.bool_], *, limit: float, settle: bool = True) -> Floats:
    """How many spreads above the centre each loss lies (below it: negative).

    Args:
        losses: mean negative log-likelihood of each reply in nats [n].
        tokens: its length [n].
        known: replies that were accepted before; enough of them, and they alone say what is usual [n].
        limit: what lies farther above does not widen the spread.
        settle: whether centre and spread are taken anew from what is near, until nothing changes. Poison that lies near
            widens them, so the first ones, of the lower side alone, are better where it is judged together.

    Returns:
        Distances [n]; zeros when there is too little to compare with.
    """
    usable = known if known.sum() >= MIN_REFERENCE else np.ones(len(losses), dtype=bool)
    if usable.sum() < MIN_REFERENCE:
        return np.zeros(len(losses))
    levels = np.log(np.maximum(losses, 1e-3)) - LENGTH_EXPONENT * np.log(tokens)
    centre = _shorth(levels[usable])
    spread = _spread(centre - levels[usable & (levels <= centre)])
    near = usable & (levels - centre <= limit * spread)
    for _ in range(ROUNDS if settle else 0):
        centre = float(np.median(levels[near]))
        spread = _spread(np.abs(levels[near] - centre))
        nearer = usable & (levels - centre <= limit * spread)
        if (nearer == near).all():
            break
        near = nearer
    return np.asarray((levels - centre) / spread)


def poison_of_a_night(far: Floats) -> Floats:
    """How likely each of a night's replies is one of several that make no sense [n].

    One reply at 2.5 spreads is nothing; thirty of a hundred there are. Two kinds of replies are assumed, and the share
    of the second is estimated (EM). Of a good night it is next to nothing, and so are the probabilities.

    Args:
        far: distances of the night's replies, as `distances` gives them [n].
    """
    usual = (1 - STRAY) * _density(far, 0.0, 1.0) + STRAY * _density(far, 0.0, STRAY_SPREAD)
    senseless = _density(np.minimum(far, SENSELESS), SENSELESS, SENSELESS_SPREAD)
    share, chance = FIRST_GUESS / (FIRST_GUESS + GUESSES), np.zeros(len(far))
    for _ in range(ROUNDS):
        chance = share * senseless / (share * senseless + (1 - share) * usual)
        share = float((chance.sum() + FIRST_GUESS) / (len(far) + FIRST_GUESS + GUESSES))
    return chance


def _density(values: Floats, centre: float, spread: float) -> Floats:
    return np.asarray(np.exp(-0.5 * ((values - centre) / spread) ** 2) / spread)


def _shorth(values: Floats) -> float:
    """The median of the narrowest half of the values."""
    ordered = np.sort(values)
    half = len(ordered) // 2 + 1
    first = int(np.argmin(ordered[half - 1 :] - ordered[: len(ordered) - half + 1]))
    return float(np.median(ordered[first : first + half]))


def _spread(deviations: Floats) -> float:
    return max(MIN_SPREAD, float(np.median(deviations)) / NORMAL)
