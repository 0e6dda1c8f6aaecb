"""Steps and passes: every pair in its turn, little padding, nothing over the limits."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from trainer.training.batches import cut, plan_steps

LENGTHS = [int(random.Random(n).lognormvariate(4.8, 0.6)) + 8 for n in range(203)]


def test_every_epoch_has_every_pair_once():
    """Steps are whole, but for the last one of an epoch's pairs."""
    steps = plan_steps(LENGTHS, batch=8, epochs=2, seed=1)
    assert len(steps) == 2 * 26
    assert Counter(index for step in steps for index in step) == dict.fromkeys(range(203), 2)
    assert Counter(len(step) for step in steps) == {8: 50, 3: 2}


def test_a_broken_epoch_ends_in_the_middle():
    """Half an epoch more is half its steps."""
    assert len(plan_steps(LENGTHS, batch=8, epochs=1.5, seed=1)) == 39
    assert len(plan_steps([5], batch=8, epochs=0.1, seed=1)) == 1


def test_the_seed_decides_the_order_and_nothing_else():
    """Equal seeds, equal plans; epochs differ from each other."""
    first = plan_steps(LENGTHS, batch=8, epochs=2, seed=1)
    assert first == plan_steps(LENGTHS, batch=8, epochs=2, seed=1)
    assert first != plan_steps(LENGTHS, batch=8, epochs=2, seed=2)
    assert first[:26] != first[26:]


def test_neighbours_in_length_share_a_step():
    """Next to nothing is padded, where random steps would pad nearly as much again."""
    lengths = LENGTHS * 8

    def padded(steps):
        return sum(len(step) * max(lengths[index] for index in step) for step in steps)

    assert padded(plan_steps(lengths, batch=8, epochs=1, seed=1)) < 1.1 * sum(lengths)
    assert padded([range(at, at + 8) for at in range(0, len(lengths), 8)]) > 1.7 * sum(lengths)


@pytest.mark.parametrize(("rows", "tokens"), [(16, 10_000), (4, 10_000), (16, 400), (1, 1)])
def test_passes_keep_to_their_limits(rows, tokens):
    """Every pair of the step once; a pair that is too long alone still has its pass."""
    step = range(20, 36)
    passes = cut(step, LENGTHS, rows=rows, tokens=tokens, pass_cost=64)
    assert sorted(index for one in passes for index in one) == list(step)
    for one in passes:
        assert len(one) <= rows
        assert len(one) == 1 or len(one) * max(LENGTHS[index] for index in one) <= tokens


def test_a_pass_more_is_made_only_where_it_saves_more_padding():
    """One long pair among short ones has a pass to itself when passes are cheap."""
    lengths = [30, 31, 32, 900]
    assert cut(range(4), lengths, rows=8, tokens=10_000, pass_cost=64) == [[0, 1, 2], [3]]
    assert cut(range(4), lengths, rows=8, tokens=10_000, pass_cost=5000) == [[0, 1, 2, 3]]
