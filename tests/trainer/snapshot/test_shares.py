"""Shares and the reservoir: who may fill how much, and who gets a place when there are too many."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.snapshot import reservoir
from trainer.snapshot.shares import NOBODY, beyond_share, limit


@pytest.mark.parametrize(
    ("counts", "free", "share", "expected"),
    [
        ([100, 10, 10, 10], 0, 0.5, 30),  # 30 of 60
        ([100, 100, 10], 0, 0.5, 100),  # 100 of 210
        ([100], 100, 0.5, 100),
        ([100, 1], 0, 0.5, 1),
        ([100], 0, 0.5, 0),
        ([], 10, 0.5, 0),
    ],
)
def test_the_limit_is_the_largest_that_keeps_everybody_within_the_share(counts, free, share, expected):
    """Checked against trying every number."""
    found = limit(counts, free, share, 0)
    assert found == expected
    by_trial = [
        cap for cap in range(max(counts, default=0) + 1) if cap <= share * (free + sum(min(c, cap) for c in counts))
    ]
    assert not counts or found == max(by_trial)


def test_a_floor_stays_whatever_the_share():
    """And nobody is limited where there are too few people to compare."""
    people, order = np.array([1] * 50 + [2, 3]), np.arange(52.0)
    assert beyond_share(people, order, share=0.5, floor=40, at_least=3).sum() == 10
    assert not beyond_share(people, order, share=0.5, floor=40, at_least=4).any()
    assert not beyond_share(people, order, share=1.0, floor=0, at_least=1).any()


def test_the_last_in_order_are_too_many_and_nobody_s_pairs_never():
    """Imports belong to nobody."""
    people = np.array([NOBODY] * 10 + [7] * 20 + [8] * 4)
    over = beyond_share(people, np.arange(34.0)[::-1].copy(), share=0.5, floor=0, at_least=2)
    assert np.flatnonzero(over).tolist() == list(range(10, 16))


def test_the_reservoir_draws_in_proportion_to_weight():
    """An edited pair, three times as heavy, gets the single place three times as often (A-Res with two items)."""
    words = np.random.default_rng(1).integers(0, 2**63, size=(4000, 2)).astype(np.uint64)
    first = np.array(
        [
            reservoir.scores(
                row, np.zeros(2), np.array([True, False]), half_life_s=1.0, edited_weight=3.0, seed=5
            ).argmin()
            for row in words
        ]
    )
    assert abs((first == 0).mean() - 0.75) < 0.025


def test_a_half_life_halves_the_weight_and_moves_with_time():
    """One half-life apart, two to one; the order is the same whenever it is asked for."""
    words = np.random.default_rng(2).integers(0, 2**63, size=(4000, 2)).astype(np.uint64)
    plain = np.zeros(2, dtype=bool)

    def order(then):
        return np.array(
            [
                reservoir.scores(
                    row, np.array([then, then + 60.0]), plain, half_life_s=60, edited_weight=2, seed=0
                ).argmin()
                for row in words
            ]
        )

    assert abs((order(0.0) == 1).mean() - 2 / 3) < 0.025
    assert (order(0.0) == order(1e6)).all()


def test_scores_stay_finite_over_decades():
    """A pair of twenty years ago with a half-life of a day weighs next to nothing, but is a number."""
    found = reservoir.scores(
        np.array([1, 2], dtype=np.uint64),
        np.array([0.0, 20 * 365 * 86400.0]),
        np.zeros(2, dtype=bool),
        half_life_s=86400.0,
        edited_weight=2.0,
        seed=0,
    )
    assert np.isfinite(found).all()
    assert found.argmin() == 1
