"""What `make soak` calls too much: growth after the warm-up, not the size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.torture.soak import Bounds, Sample, broken

STEADY = [Sample(2.0 * number, 200_000_000, 30, 9, 40, 4_000_000) for number in range(100)]


def grown(**at_the_end):
    """The same, but for the last quarter."""
    return [replace(one, **at_the_end) if one.seconds > 150 else one for one in STEADY]


def test_what_stays_is_no_growth():
    """Also a peak in the middle, and what grew before the warm-up was over."""
    early = [replace(one, memory=90_000_000, files=10) for one in STEADY[:30]]
    peak = [replace(one, memory=290_000_000) if one.seconds == 100 else one for one in STEADY[30:]]
    assert broken([*early, *peak], Bounds(), warm_s=66) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"memory": 206_000_000}, "memory grew from 200.0 to 206.0 MB (+3.0%)"),
        ({"files": 34}, "files grew from 30 to 34"),
        ({"threads": 12}, "threads grew from 9 to 12"),
        ({"tasks": 46}, "tasks grew from 40 to 46"),
        ({"wal": 40_000_000}, "the write-ahead log grew to 40.0 MB"),
    ],
)
def test_what_grows_is_named_with_its_figures(change, sentence):
    """Each bound on its own."""
    assert broken(grown(**change), Bounds(), warm_s=66) == [sentence]


def test_a_run_that_is_too_short_proves_nothing():
    """It is said, not passed."""
    assert "it has to run longer" in broken(STEADY[:12], Bounds(), warm_s=10)[0]
