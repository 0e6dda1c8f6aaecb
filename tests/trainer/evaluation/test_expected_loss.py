"""What promoting is expected to cost: closed forms against draws, and how often a night of known worth is promoted."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation.evidence import Evidence, Score
from trainer.evaluation.expected_loss import expected_loss, gain_of, lower_bound
from trainer.evaluation.gate import decide
from trainer.settings import GateConfig

SPREAD = 0.32
"""Standard deviation of a pair's gain, in nats, as measured on the studies' conversations."""

means = st.floats(-2.0, 2.0)
errors = st.floats(1e-3, 1.0)
degrees = st.integers(2, 500)


def normal_loss(mean, error):
    z = mean / error
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return error * (density - z * 0.5 * math.erfc(z / math.sqrt(2)))


@pytest.mark.parametrize("z", [-2.0, -0.5, 0.0, 0.3, 1.0, 2.5])
def test_with_many_conversations_it_is_the_normal_formula(z):
    """Se (phi(z) - z (1 - Phi(z)))."""
    assert expected_loss(0.1 * z, 0.1, 100_000) == pytest.approx(normal_loss(0.1 * z, 0.1), rel=1e-3)


@pytest.mark.parametrize(("mean", "free"), [(0.1, 4), (-0.05, 9), (0.3, 30)])
def test_it_is_the_mean_of_what_draws_lose(mean, free):
    """Student's t is a normal draw over the root of a chi-squared one."""
    draw = random.Random(1)
    total, count = 0.0, 100_000
    for _ in range(count):
        chi = draw.gammavariate(free / 2, 2.0)
        total += max(0.0, -(mean + 0.2 * draw.gauss(0, 1) / math.sqrt(chi / free)))
    assert expected_loss(mean, 0.2, free) == pytest.approx(total / count, rel=0.05, abs=5e-4)


@given(means, errors, degrees)
def test_a_larger_gain_costs_less_and_no_more_than_the_loss_itself(mean, error, free):
    """It lies between max(-mean, 0) and that plus what chance adds, and falls as the mean rises."""
    loss = expected_loss(mean, error, free)
    assert loss >= max(-mean, 0.0) - 1e-6
    assert expected_loss(mean + 0.1, error, free) <= loss + 1e-9
    # E max(-x, 0) - E max(x, 0) = -mean.
    assert loss - expected_loss(-mean, error, free) == pytest.approx(-mean, abs=1e-5)


@given(means, errors)
def test_fewer_conversations_cost_more(mean, error):
    """The same figures from fewer witnesses are less sure."""
    assert expected_loss(mean, error, 5) >= expected_loss(mean, error, 50) - 1e-7


def test_what_nobody_can_know_costs_infinitely_much():
    """One conversation, or a loss that is no number."""
    assert expected_loss(0.5, 0.1, 1) == math.inf
    assert expected_loss(math.nan, 0.1, 20) == math.inf
    assert gain_of([0.5, 0.4], ["one", "one"]).expected_loss == math.inf


def test_without_any_spread_it_is_the_loss():
    """Nothing is uncertain then."""
    assert expected_loss(-0.2, 0.0, 9) == 0.2
    assert expected_loss(0.2, 0.0, 9) == 0.0


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=30))
def test_pairs_of_their_own_have_the_textbook_error(values):
    """Standard deviation over the root of the count."""
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    gain = gain_of(values)
    assert gain.mean == pytest.approx(mean)
    assert gain.error == pytest.approx(math.sqrt(variance / len(values)), abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=12), st.integers(2, 5))
def test_repeating_each_pair_in_its_conversation_adds_no_certainty(values, copies):
    """Ten times the same talk is one talk."""
    names = [f"c{n}" for n in range(len(values))]
    once, often = gain_of(values, names), gain_of(values * copies, names * copies)
    assert often.mean == pytest.approx(once.mean)
    assert often.error == pytest.approx(once.error, abs=1e-9)
    assert often.conversations == once.conversations


def test_the_bound_draws_whole_conversations():
    """With everything in two talks the bound is that of the worse one."""
    values, names = [0.5] * 10 + [-0.5] * 10, ["good"] * 10 + ["bad"] * 10
    assert lower_bound(values, 0.95, 500, 0, names) == -0.5
    assert lower_bound(values, 0.95, 500, 0) > -0.5


def promoted(gain, pairs, nights=150):
    """Share of simulated nights of that worth that the gate promotes."""
    draw, config = random.Random(f"{gain} {pairs}"), GateConfig(resamples=200)
    won = 0
    for _ in range(nights):
        scores = tuple(Score(3.0, 3.0 - draw.gauss(gain, SPREAD)) for _ in range(pairs))
        won += decide(Evidence(holdout=scores[:20], folds=scores[20:]), config).promote
    return won / nights


def test_a_hundred_and_thirty_pairs_tell_good_nights_from_bad_ones():
    """Worth 0.05 nats: at least four in five. Costing 0.05: at most one in twenty."""
    assert promoted(0.05, 130) >= 0.8
    assert promoted(-0.05, 130) <= 0.05


def test_a_bad_night_is_rarely_promoted_with_few_pairs():
    """Where little is known, little is believed."""
    assert promoted(-0.05, 20) <= 0.1
    assert promoted(-0.1, 20) <= 0.05
