"""The simulation of many servers: what it draws, and that it counts what it should."""

from __future__ import annotations

import pytest

from benchmarks.scaling import Machine, serve
from benchmarks.scaling_nights import nights
from benchmarks.scaling_traffic import Traffic, arrivals, shares

QUIET = Traffic(servers=10, messages=2_000, seed=3)


def test_shares_are_zipfs_and_whole():
    """The first server asks twice as much as the second and three times as much as the third."""
    found = shares(Traffic(servers=100))
    assert sum(found) == pytest.approx(1.0)
    assert found[0] == pytest.approx(2 * found[1]) == pytest.approx(3 * found[2])


def test_questions_come_as_often_as_the_busiest_hour_has_them_and_the_same_each_time():
    """100,000 a day at three times the mean are 12,500 in an hour."""
    traffic = Traffic(servers=50, messages=100_000)
    found = arrivals(traffic, 3600)
    assert len(found) == pytest.approx(12_500, rel=0.05)
    assert found == arrivals(traffic, 3600)
    first = sum(server == 0 for _, server in found) / len(found)
    assert first == pytest.approx(shares(traffic)[0], rel=0.1)


def test_a_step_takes_what_was_measured_and_in_between_for_other_numbers():
    """325 tokens/s at one row; rows of different adapters are slower."""
    machine = Machine(mixed=1.0)
    assert machine.step_s(1) == pytest.approx(1 / 325)
    assert machine.step_s(32) == pytest.approx(32 / 3109)
    assert machine.step_s(8) < machine.step_s(20) < machine.step_s(32)
    assert Machine(mixed=0.5).step_s(8) == pytest.approx(2 * machine.step_s(8))


def test_every_question_is_answered_or_refused():
    """None is lost, whatever the bank holds."""
    for voices in (2, 10):
        traffic = Traffic(servers=10, messages=400_000, seed=2)
        found = serve(traffic, Machine(voices=voices, queue=20), 60)
        assert len(found.waits) + found.refused == len(arrivals(traffic, 60))


def test_each_voice_is_loaded_once_where_all_fit():
    """A miss for each server that asked, and then none."""
    found = serve(QUIET, Machine(voices=10), 7200)
    assert found.misses == len({server for _, server in arrivals(QUIET, 7200)})


def test_with_fewer_voices_in_memory_there_are_more_misses_and_longer_waits():
    """The slowest waits are those for a voice."""
    few, many = (serve(QUIET, Machine(voices=voices), 7200) for voices in (2, 10))
    assert few.misses > 3 * many.misses
    assert sum(few.waits) > sum(many.waits)


def test_a_question_alone_waits_for_its_prompt_alone():
    """And the first of a server for its voice as well."""
    found = serve(Traffic(servers=1, messages=100, seed=1), Machine(), 36_000)
    assert max(found.waits) == pytest.approx(0.53 + 0.025)
    assert min(found.waits) == pytest.approx(0.025)


def test_more_than_the_engine_can_do_is_refused():
    """The queue is bounded, and so are the waits."""
    found = serve(Traffic(servers=5, messages=5_000_000), Machine(), 60)
    assert found.refused > 0.3 * len(found.waits)
    assert max(found.waits) < 20


def test_nights_that_fit_train_every_server_that_has_news():
    """And those that do not leave servers for the next night, which come first then."""
    traffic = Traffic(servers=100, messages=20_000)
    assert all(night.due == night.made for night in nights(traffic, hours=24, count=10))
    short = nights(traffic, hours=1, count=30)
    assert short[-1].made < short[-1].due
    assert short[-1].longest_wait <= short[-1].due / short[-1].made + 1
