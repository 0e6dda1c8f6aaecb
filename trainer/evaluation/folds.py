"""How new pairs are cut into folds, so that each is judged by a training that has not seen it. Pure.

Cross-fitting (Bayle et al. 2020, arXiv:2007.12671): the losses of all folds together estimate what the training is
worth, with the standard error of independent pairs. Judged are the pairs that the champion has not learned from either;
older ones would speak for it. Training can therefore begin with the champion, which has seen none of them, and take a
few steps over the new pairs of the other folds and as many older ones, so that nothing is forgotten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Fold", "plan_folds"]

LEAST = 8
"""New pairs below which folds tell nothing."""
LEAST_STEPS = 6.0
"""Steps of one training below which it learns next to nothing; there are fewer folds then."""
PASSES = 2.0
"""Times that a training which begins with the champion sees its pairs at most."""


@dataclass(frozen=True)
class Fold:
    """One training: which examples it learns from and which it judges, by their numbers, and how often it sees them."""

    learn: tuple[int, ...]
    judge: tuple[int, ...]
    epochs: float


def plan_folds(
    conversations: Sequence[str],
    new: Sequence[bool],
    *,
    folds: int,
    batch: int,
    steps: float,
    passes: float,
    warm: bool,
) -> list[Fold]:
    """The trainings that judge the new examples, all of which are judged once; none where that would tell nothing.

    Args:
        conversations: of each example; one is in one fold.
        new: which examples the champion has not learned from.
        folds: how many at most.
        batch: examples in an optimizer step.
        steps: of all trainings together.
        passes: most times that a training sees an example.
        warm: it begins with the champion, so that of the old examples as many as of the new ones are enough.
    """
    judged = [number for number, one in enumerate(new) if one]
    names = sorted({conversations[number] for number in judged}, key=_hash)
    count = min(folds, len(names), int(steps / LEAST_STEPS))
    if count < 2 or len(judged) < LEAST:
        return []
    fold_of = {name: number % count for number, name in enumerate(names)}
    old = [number for number, one in enumerate(new) if not one]
    plans = []
    for fold in range(count):
        judge = tuple(number for number in judged if fold_of[conversations[number]] == fold)
        others = [number for number in judged if fold_of[conversations[number]] != fold]
        learn = sorted([*others, *(_spread(old, len(others)) if warm else old)])
        epochs = min(passes, steps / count / max(1, -(-len(learn) // batch)))
        plans.append(Fold(tuple(learn), judge, epochs))
    return plans


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    """At most `count` of them, evenly spaced."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[number * len(numbers) // count] for number in range(count)]


def _hash(conversation: str) -> bytes:
    return hashlib.sha256(f"fold {conversation}".encode()).digest()
