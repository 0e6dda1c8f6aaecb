"""Short replies in another language, judged together: one says little, but a night's say in what languages it is. Pure.

Each text has a probability in every language. Which languages the texts are in, and how many in each, is estimated from
all of them (EM), and each text is judged by that. A language with too few texts to be sure of is none of the night's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from trainer.quarantine.language import chances_of

__all__ = ["foreign_replies"]

Floats = NDArray[np.float64]

MIN_TEXTS = 3.0
"""Texts of another language that a night must have before short ones are told by them."""
SURE = 0.5
ROUNDS = 30


def foreign_replies(
    new: Mapping[int, str], older: Sequence[str], home: frozenset[str], welcome: Mapping[int, frozenset[str]]
) -> dict[int, str]:
    """The language of each new reply that is neither the community's nor welcome below its prompt, by reply number.

    Args:
        new: text of each new reply.
        older: texts of replies that are no longer new.
        home: languages of the community; none known, and nothing is foreign.
        welcome: for each new reply, the languages its prompt may be in.
    """
    numbers = list(new)
    if not home or not numbers:
        return {}
    names, chances = chances_of([*new.values(), *older])
    usable = chances.sum(1) > 0
    weights = _weights(chances[usable], np.isin(names, list(home)))
    posterior = chances * weights
    posterior /= np.maximum(posterior.sum(1, keepdims=True), 1e-300)
    found: dict[int, str] = {}
    for row, number in enumerate(numbers):
        ours = np.isin(names, list(home | welcome[number]))
        if usable[row] and posterior[row][~ours].sum() > SURE:
            found[number] = str(names[np.where(ours, 0.0, posterior[row]).argmax()])
    return found


def _weights(chances: Floats, home: NDArray[np.bool_]) -> Floats:
    """The share of each language [languages], without those that too few texts are in."""
    weights = np.full(chances.shape[1], 1.0 / chances.shape[1])
    for _ in range(ROUNDS):
        posterior = chances * weights
        counts = (posterior / np.maximum(posterior.sum(1, keepdims=True), 1e-300)).sum(0)
        counts[~home & (counts < MIN_TEXTS)] *= 0.5  # towards zero, so that a rival for the same texts can grow
        weights = counts / max(counts.sum(), 1e-300)
    weights[~home & (weights * len(chances) < MIN_TEXTS)] = 0.0
    return np.asarray(weights / max(weights.sum(), 1e-300))
