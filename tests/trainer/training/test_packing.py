"""Packed passes: few, even, and of sizes that are worth capturing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.training.packing import MOST_REST, pack, size_among, size_of, sizes_to_capture


@given(st.lists(st.integers(1, 900), min_size=1, max_size=20), st.integers(1, 3000), st.integers(1, 16))
def test_every_pair_is_in_one_pass_and_no_pass_is_too_large(lengths, tokens, rows):
    """But for a pair that is too long alone."""
    passes = pack(range(len(lengths)), lengths, tokens=tokens, rows=rows)
    assert sorted(index for one in passes for index in one) == list(range(len(lengths)))
    assert all(0 < len(one) <= rows for one in passes)
    assert all(sum(lengths[index] for index in one) <= tokens or len(one) == 1 for one in passes)


def test_a_step_that_fits_is_one_pass_and_a_larger_one_is_cut_evenly():
    """Nothing is gained by more passes than needed."""
    assert len(pack(range(16), [145] * 16, tokens=4096, rows=16)) == 1
    passes = pack(range(16), [400] * 16, tokens=4096, rows=16)
    assert [len(one) for one in passes] == [8, 8]


def test_sizes_grow_by_64_tokens():
    """A few more tokens do not make another size."""
    assert [size_of(tokens) for tokens in (1, 64, 65, 4096)] == [64, 64, 128, 4096]


def test_what_comes_often_is_captured_and_what_comes_once_is_not():
    """A step like a hundred others is worth its capture."""
    assert sizes_to_capture([2048] * 100 + [300]) == [2048]
    assert sizes_to_capture([2048]) == []
    assert sizes_to_capture([]) == []


def test_neighbours_share_a_captured_size_until_there_are_many_of_both():
    """Padding a few passes costs less than capturing another size."""
    assert sizes_to_capture([2000, 2048] * 3) == [2048]
    assert sizes_to_capture([1000, 2048] * 3) == [2048]
    assert sizes_to_capture([1000, 2048] * 50) == [2048, 1024]


@pytest.mark.parametrize(
    ("tokens", "captured", "size"),
    [
        (1000, {}, 1024),
        (1000, {1024, 2048}, 1024),
        (1000, {1280, 4096}, 1280),
        (1000, {4096}, 1024),
        (3000, {2048}, 3008),
    ],
)
def test_a_pass_takes_the_next_captured_size_that_is_not_much_too_large(tokens, captured, size):
    """Otherwise it is computed as it is."""
    assert size_among(tokens, captured) == size


@given(st.integers(1, 5000), st.sets(st.integers(1, 80).map(lambda count: 64 * count)))
def test_the_rest_of_a_pass_is_no_longer_than_said(tokens, captured):
    """Attention over it is bounded by that, and so are its positions."""
    assert 0 <= size_among(tokens, captured) - tokens < MOST_REST
