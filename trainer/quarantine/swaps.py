"""Which answers stand below the wrong questions: swapped, or moved by some rows. Pure: vectors in, probabilities out.

The similarity of a question and an answer is centred twice, by row and by column, which takes away how general either
is. What is left says by how much the answer fits this question better than chance. Where answers changed places, each
of them fits a question of the same hand, so all places are weighed together: the probability of each arrangement of a
group is the product of its fits, and a Sinkhorn balance (Mena et al. 2018, arXiv:1802.08665) gives how likely each
answer is at home. The share of displaced answers is estimated with it (EM), so a good group stays untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Displaced", "Fit", "displaced", "fits", "moved_by", "no_better_than_chance"]

Floats = NDArray[np.float64]

SLOPE, INTERCEPT, LENGTH_SLOPE = 1.8, -1.5, -0.6
"""Log-likelihood ratio of "belongs to this question", by spreads above chance. A logistic regression on three sets of
pairs gave a slope of 1.5; with this one, more swapped answers are held at as many good ones (docs/lab/learning.md)."""
MOST_SPREADS = 5.0
USUAL_LENGTH, LENGTH_RANGE = 60.0, 1.5
USUAL_FIT = 3.2
"""Mean spreads above chance of an answer and its own question, where answers are about their questions."""
MIN_KNOWN = 20
"""Fewer pairs that are surely in place say nothing about how closely a community answers."""
FIRST_GUESS, GUESSES = 1.0, 6.0
"""A group's share of displaced answers begins as if one of seven had been seen."""
FROM_ELSEWHERE = 0.3
"""Part of displaced answers whose own question is not in the group."""
COPIED = 0.2
"""How much an answer counts as another pair's that has the very same one, where it fits that question."""
NAMED = 0.25
"""Probability from which the question of a group is named that an answer belongs to."""
ROUNDS, BALANCES = 15, 100
SAME = 0.97
"""Cosine from which two texts say the same, so that they may change places."""


@dataclass(frozen=True)
class Fit:
    """How well answers fit questions, as log-likelihood ratios against chance [questions, answers]; 0 says nothing."""

    ratios: Floats
    same_answers: NDArray[np.bool_]
    same_questions: NDArray[np.bool_]


@dataclass(frozen=True)
class Displaced:
    """Of each pair of a group: how likely its answer belongs elsewhere, and where to (a row; -1 is not known)."""

    probability: Floats
    belongs_to: NDArray[np.intp]
    share: float
    """The estimated share of displaced answers."""


def fits(questions: Floats, answers: Floats, lengths: Sequence[int], known: NDArray[np.bool_]) -> Fit:
    """How well each answer fits each question.

    Args:
        questions: unit vectors [n, d].
        answers: unit vectors [n, d]; pair i is question i with answer i.
        lengths: characters of each answer [n].
        known: pairs that are surely in place [n]. Where they say little about their questions, nobody's need to.
    """
    similarity = questions @ answers.T
    n = len(similarity)
    others = ~np.eye(n, dtype=bool)
    by_row = (similarity.sum(1) - similarity.diagonal()) / max(1, n - 1)
    by_column = (similarity.sum(0) - similarity.diagonal()) / max(1, n - 1)
    centred = similarity - by_row[:, None] - by_column[None, :] + by_row.mean()
    free = np.where(others, centred, 0.0) ** 2
    row_spread, column_spread = free.sum(1) / max(1, n - 1), free.sum(0) / max(1, n - 1)
    spreads = centred / np.sqrt(np.maximum((row_spread[:, None] + column_spread[None, :]) / 2, 1e-12))
    longer = np.log(np.maximum(np.asarray(lengths, dtype=np.float64), 1) / USUAL_LENGTH)
    ratios = SLOPE * np.minimum(spreads, MOST_SPREADS) + INTERCEPT
    ratios = ratios + LENGTH_SLOPE * np.clip(longer, -LENGTH_RANGE, LENGTH_RANGE)[None, :]
    closeness = 1.0
    if known.sum() >= MIN_KNOWN:
        closeness = float(np.clip(spreads.diagonal()[known].mean() / USUAL_FIT, 0.0, 1.0))
    return Fit(closeness * ratios, answers @ answers.T >= SAME, questions @ questions.T >= SAME)


def displaced(fit: Fit, rows: Sequence[int], others: Sequence[int]) -> Displaced:
    """How likely each answer of a group belongs to another question.

    Args:
        fit: of all pairs.
        rows: the pairs of the group, by position in `fit`.
        others: pairs outside it, to one of which an answer may belong as well.
    """
    group = np.asarray(rows, dtype=np.intp)
    odds = np.exp(fit.ratios[np.ix_(group, group)])
    elsewhere = np.exp(fit.ratios[np.ix_(np.asarray(others, dtype=np.intp), group)])
    outside = 0.5 + 0.5 * (elsewhere.mean(0) if len(others) else np.ones(len(group)))
    copied = np.where(fit.same_answers[np.ix_(np.asarray(others, dtype=np.intp), group)], elsewhere, 0.0)
    outside = np.maximum(outside, COPIED * copied.max(0, initial=0.0))
    same_answer = fit.same_answers[np.ix_(group, group)]
    same_question = fit.same_questions[np.ix_(group, group)]
    share = FIRST_GUESS / (FIRST_GUESS + GUESSES)
    for _ in range(ROUNDS):
        placed = _balanced(_weighted(odds, share), share * FROM_ELSEWHERE * outside, share * FROM_ELSEWHERE)
        at_home = np.maximum((placed * same_answer).sum(1), (placed * same_question).sum(0))
        away = 1.0 - np.clip(at_home, 0.0, 1.0)
        before, share = share, float((away.sum() + FIRST_GUESS) / (len(group) + FIRST_GUESS + GUESSES))
        if abs(share - before) < 1e-4:
            break
    return Displaced(away, _places(fit, group, others, placed), float(away.mean()))


def moved_by(fit: Fit, rows: Sequence[int], most: int = 5) -> int:
    """By how many rows the answers of a list were moved as a whole; 0 where they fit best as they are.

    `rows` in the order of the list. A move must fit better than the list as it is by far more than chance could.
    """
    group = np.asarray(rows, dtype=np.intp)
    ratios = fit.ratios[np.ix_(group, group)]
    own = float(ratios.diagonal().mean())
    found, best = 0, own
    for by in [step for step in range(-most, most + 1) if step and len(group) - abs(step) >= 3]:
        moved = ratios.diagonal(-by)
        # Half a nat a pair, and three standard errors: a good list has its best fit at home by several nats.
        sure = float(moved.mean()) - 3.0 * float(moved.std()) / np.sqrt(len(moved))
        if float(moved.mean()) > best and sure > own + 0.5 / np.sqrt(len(moved)):
            found, best = by, float(moved.mean())
    return found


def no_better_than_chance(fit: Fit, rows: Sequence[int], *, draws: int = 999, seed: int = 0) -> float:
    """How often answers in a drawn order fit as well as those of a group fit their own questions (a p-value)."""
    group = np.asarray(rows, dtype=np.intp)
    ratios = np.minimum(fit.ratios[np.ix_(group, group)], SLOPE * MOST_SPREADS)
    own, order = float(ratios.diagonal().mean()), np.random.default_rng(seed)
    index = np.arange(len(group))
    drawn = [float(ratios[index, order.permutation(len(group))].mean()) for _ in range(draws)]
    return (1 + sum(one >= own for one in drawn)) / (1 + draws)


def _weighted(odds: Floats, share: float) -> Floats:
    """The fits with the prior of staying at home, and of moving to one of the other places."""
    n = len(odds)
    weights = odds * (share * (1 - FROM_ELSEWHERE) / max(1, n - 1))
    np.fill_diagonal(weights, odds.diagonal() * (1 - share))
    return np.asarray(weights)


def _balanced(weights: Floats, to_answers: Floats, to_questions: float) -> Floats:
    """Probabilities of each place, so that questions and answers each are used once or come from elsewhere."""
    rows, columns = np.ones(len(weights)), np.ones(len(weights))
    for _ in range(BALANCES):
        rows = 1.0 / (weights @ columns + to_questions)
        columns = 1.0 / (weights.T @ rows + to_answers)
    return np.asarray(rows[:, None] * weights * columns[None, :])


def _places(fit: Fit, group: NDArray[np.intp], others: Sequence[int], placed: Floats) -> NDArray[np.intp]:
    """The question each answer belongs to, where that is another one: of the group by its probability, else by far."""
    moved = placed * ~np.eye(len(group), dtype=bool)
    belongs = np.where(moved.max(0) > NAMED, group[moved.argmax(0)], -1)
    if len(others):
        outside = np.asarray(others, dtype=np.intp)
        ratios = fit.ratios[np.ix_(outside, group)]
        clearly = ratios.max(0) > np.maximum(fit.ratios[:, group][group].max(0), 0.0) + 1.0
        belongs = np.where((belongs < 0) & clearly, outside[ratios.argmax(0)], belongs)
    return np.asarray(belongs)
