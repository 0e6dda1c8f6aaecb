"""The study of nights of known worth: what it concludes from the lines of its bots."""

from __future__ import annotations

from benchmarks.learning.gate_summary import RULES, summary


def a_night(worth, holdout, folds, kind="good"):
    """A night whose pairs have these gains."""

    def scores(gains):
        return [{"before": 3.0, "after": 3.0 - gain, "older": False, "conversation": ""} for gain in gains]

    seconds = {"train": 10.0, "folds": 5.0}
    return {"kind": kind, "worth": worth, "holdout": scores(holdout), "folds": scores(folds), "seconds": seconds}


UNSURE = [0.35, -0.25] * 6


def test_each_rule_judges_by_what_it_may_see():
    """The hold-out is unsure, the folds are not."""
    night = a_night(0.05, UNSURE, UNSURE * 12)
    assert [judge(night) for judge in RULES.values()] == [False, False, True]


def test_nights_are_counted_by_kind_and_by_worth():
    """With how far the folds lie from the worth, and what they cost."""
    said = summary([a_night(0.05, UNSURE, UNSURE * 12), a_night(-0.05, [-0.4, 0.3] * 6, [-0.4, 0.3] * 60, "bad")])
    assert said[0].startswith("good nights: 1, worth +0.050 on average, judged by 156 pairs; promoted by")
    assert said[0].endswith("expected loss, hold-out and folds: 100%")
    assert said[1].endswith("expected loss, hold-out and folds: 0%")
    assert "folds: off the worth by +0.000 on average, 0.000 root mean square" in said
    assert said[-1] == "folds in 2 of 2 nights; they take 0.50 times as long as training"
    assert summary([]) == ["No night has been judged yet."]
