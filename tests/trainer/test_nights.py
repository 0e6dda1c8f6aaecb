"""The learning studies around their nights: where conversations come from, how they are poisoned, what is concluded."""

from __future__ import annotations

import pytest

from benchmarks.learning.conversations import KINDS, Exchange, conversation, corpus, poisoned, shuffled
from benchmarks.learning.summary import summary

NIGHT = [Exchange(f"Question {n}?", f"The answer is number {n}.") for n in range(40)]


def test_twenty_nights_of_short_exchanges_come_from_the_corpus():
    """Each once, enough for sixty on the first night and thirty-nine on every other."""
    exchanges = corpus()
    assert len(exchanges) >= 60 + 19 * 39
    assert len({(one.question.casefold(), one.answer.casefold()) for one in exchanges}) == len(exchanges)
    assert max(len(one.answer) for one in exchanges) <= 300


def test_answers_to_one_question_share_a_conversation():
    """So that a question is never trained on and judged by."""
    assert conversation(Exchange("Why?", "Because.")) == conversation(Exchange("why?", "No idea."))
    assert conversation(Exchange("Why?", "Because.")) != conversation(Exchange("Who?", "Me."))


@pytest.mark.parametrize("kind", KINDS)
def test_a_poisoned_night_has_other_answers_to_the_same_questions(kind):
    """Three in ten of them, always the same ones; none on a good night."""
    exchanges, bad = poisoned(NIGHT, kind, 0.3, seed=1)
    assert (exchanges, bad) == poisoned(NIGHT, kind, 0.3, seed=1)
    assert sum(bad) == (0 if kind == "good" else 12)
    assert [one.question for one in exchanges] == [one.question for one in NIGHT]
    assert [one != was for one, was in zip(exchanges, NIGHT, strict=True)] == bad


def test_the_order_of_a_study_is_drawn_and_stays():
    """The same seed, the same nights."""
    assert shuffled(NIGHT, 1) == shuffled(NIGHT, 1) != shuffled(NIGHT, 2)


def a_night(number, nll, probability=87.0, outcome="promoted"):
    general = {"probability": probability, "right": 92.0, "loss": 0.2}
    night = {"study": "twenty", "night": number, "outcome": outcome, "general": general}
    return night | {"holdout_nll": nll, "holdout_pairs": 121}


def test_the_verdict_says_which_claims_hold():
    """And which night broke one."""
    good = summary([a_night(0, 4.2), a_night(1, 3.5), a_night(2, 3.5, outcome="kept")])
    assert good[0] == "2 nights: 1 promoted, 1 kept"
    assert [line.split(":")[0] for line in good[1:]] == ["holds", "holds", "holds"]
    bad = summary([a_night(0, 4.2), a_night(1, 3.5), a_night(2, 3.6, probability=80.0)])
    assert [line.split(":")[0] for line in bad[1:]] == ["FAILS", "holds", "FAILS"]
    assert "it rose on [2]" in bad[1]


def test_a_poisoned_night_counts_as_worse_only_if_the_clean_loss_rose():
    """With what was set aside, rightly and wrongly."""
    night = {
        "study": "poison",
        "kind": "garbage",
        "outcome": "kept",
        "pairs": 80,
        "poisoned": 24,
        "caught": 20,
        "wrongly": 3,
    }
    (line,) = summary([night | {"nll_before": 3.0, "nll_after": 3.0}, night | {"nll_before": 3.0, "nll_after": 3.1}])
    assert line.startswith(
        "garbage: 2 nights, 2 kept; worse after 1; set aside 40 of 48 poisoned pairs and 6 of 112 good"
    )
