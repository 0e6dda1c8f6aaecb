"""Near duplicates: found by sketches, decided exactly."""

from __future__ import annotations

import random
import time

from tests.trainer.pairs import a_pair
from trainer.snapshot.duplicates import near_duplicates

WORDS = ["kettle", "shelf", "harbour", "lantern", "winter", "copper", "meadow", "ladder", "basket", "thunder", "pocket"]


def sentence(seed, length=14):
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def test_changed_punctuation_and_a_typing_error_are_near():
    """In question and answer alike."""
    pairs = [
        a_pair(1, sentence(1), sentence(2)),
        a_pair(2, sentence(3), sentence(4)),
        a_pair(3, sentence(1) + "?", sentence(2).replace("e", "ee", 1)),
    ]
    assert near_duplicates(pairs, 0.85) == [[0, 2]]


def test_one_answer_to_two_questions_is_two_pairs_and_so_are_two_answers_to_one():
    """A voice repeats itself; what counts is the pair."""
    pairs = [
        a_pair(1, sentence(1), sentence(2)),
        a_pair(2, sentence(3), sentence(2)),
        a_pair(3, sentence(1), sentence(4)),
    ]
    assert near_duplicates(pairs, 0.85) == []


def test_short_answers_are_compared_whole_only():
    """'Yes.' and 'Yes!' to short questions stay: one letter makes another answer."""
    assert near_duplicates([a_pair(1, "Is it 5?", "No."), a_pair(2, "Is it 6?", "No.")], 0.5) == []


def test_a_thousand_pairs_with_planted_twins():
    """All twins and nothing else."""
    pairs = [a_pair(n, sentence(n), sentence(n + 5000)) for n in range(1000)]
    twins = [a_pair(2000 + n, sentence(n) + " indeed", sentence(n + 5000)) for n in range(0, 1000, 50)]
    found = near_duplicates([*pairs, *twins], 0.85)
    assert sorted(found) == [[n, 1000 + n // 50] for n in range(0, 1000, 50)]


def test_a_threshold_of_one_finds_nothing():
    """Exact duplicates are gone before."""
    assert near_duplicates([a_pair(1, sentence(1), sentence(2)), a_pair(2, sentence(1), sentence(2))], 1.0) == []


def test_hundreds_of_questions_with_one_long_answer_are_told_apart_quickly():
    """A stock answer makes no two of them alike, and costs no comparison of each with each."""
    pairs = [a_pair(n, sentence(n, 7), sentence(7)) for n in range(1500)]
    began = time.process_time()
    alike = near_duplicates(pairs, 0.85)
    assert time.process_time() - began < 10
    assert sum(map(len, alike)) < 60  # a few of the questions are made of the same words


def test_copies_of_one_pair_are_one_group():
    """However many there are."""
    pairs = [a_pair(n, sentence(1, 30), f"{sentence(2, 30)} {n}") for n in range(400)]
    (group,) = near_duplicates(pairs, 0.85)
    assert group == list(range(400))
