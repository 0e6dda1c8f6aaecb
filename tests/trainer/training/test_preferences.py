"""Preferences: rendered as training renders, judged from figures alone."""

from __future__ import annotations

import math

import pytest

from storage.pair_records import Choice
from storage.reply_records import Turn
from tests.tiny import tiny_tokenizer
from tests.trainer.pairs import a_pair
from trainer.training.preferences import PreferenceFigures, accuracy, triples_of
from trainer.training.tokens import encode_pairs

CHOICE = Choice(1, "Second shelf.", "In the attic.", "edit")


def figures(**changes):
    values = {"accuracy_before": 0.6, "accuracy_after": 0.8, "nll_before": 2.0, "nll_after": 2.01, "judged_on": 10}
    return PreferenceFigures(**values | changes)


def test_both_answers_follow_the_prompt_that_serving_renders():
    """The preferred side is the very example that a pair with that answer gives."""
    tokenizer, pair = tiny_tokenizer(), a_pair()
    (triple,) = triples_of(tokenizer, [pair], [CHOICE], max_tokens=200, persona="Kind.")
    (example,) = encode_pairs(tokenizer, [pair], max_tokens=200, persona="Kind.").items
    assert triple.chosen == example
    length = triple.prompt_length
    assert triple.rejected.ids[:length] == example.ids[:length]
    assert tokenizer.decode(triple.rejected.ids[length:]) == "In the attic.<|im_end|>"
    assert triple.longest == max(len(triple.chosen.ids), len(triple.rejected.ids))


def test_choices_on_other_prompts_or_between_equal_answers_are_left_out():
    """And those that do not fit, or fit only with different parts of the conversation."""
    tokenizer = tiny_tokenizer()
    turns = (Turn("user", "boat " * 20), Turn("assistant", "Yes."), Turn("user", "And?"))
    pairs = [a_pair(1), a_pair(2, turns=turns)]
    others = [
        Choice(9, "a", "b", "edit"),
        Choice(1, "Same.", "Same.", "vote"),
        Choice(1, "Fits.", "harbour " * 90, "edit"),
        Choice(2, "Short.", "boat " * 70, "edit"),
    ]
    assert triples_of(tokenizer, pairs, others, max_tokens=110) == ()


def test_accuracy_is_the_share_of_choices_met():
    """A tie is not met."""
    assert accuracy([1.0, 2.0, 3.0, 1.0], [2.0, 2.0, 1.0, 4.0]) == 0.5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"accuracy_after": 0.6}, "no likelier"),
        ({"accuracy_after": math.nan}, "no likelier"),
        ({"nll_after": 2.05}, "rises by more than 1%"),
        ({"nll_after": math.nan}, "rises"),
    ],
)
def test_the_supervised_adapter_stays_unless_preferences_help(changes, words):
    """More choices met, hold-out loss within the tolerance; what is no number is no help."""
    objection = figures(**changes).objection(0.01)
    assert (objection is None) if words is None else (words in objection)
