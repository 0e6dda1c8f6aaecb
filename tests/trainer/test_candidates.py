"""Candidates in real runs on a tiny base: kept when only certainty is lacking, promoted when later pairs prove them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
import torch

from tests.trainer.pairs import new_pairs
from trainer.candidates import Gain, proven
from trainer.evaluation import evaluate

UNSURE = {"max_expected_loss": 1e-30, "folds": 0, "older_tolerance": 9.0}
"""No night is so sure, so that certainty alone is lacking."""


def more(place, first, last):
    with place.store() as store:
        store.import_pairs(new_pairs(last)[first:], approved_by="operator")


def last_run(place):
    with place.store() as store:
        return store.last_run()


def failed_codes(run):
    """What kept the challenger out."""
    return [part["code"] for part in run.why[0]["parts"]]


def short_with(name):
    """A measurement that runs out of memory with one of the adapters on the base."""
    real = evaluate.nlls_of

    def nlls_of(model, adapter, examples, **options):
        if adapter == name:
            raise torch.OutOfMemoryError
        return real(model, adapter, examples, **options)

    return nlls_of


@pytest.fixture
def one_candidate(place):
    """A home whose first night was kept out for lack of certainty."""
    result = place.run(gate=UNSURE)
    assert result.outcome == "kept", result.reason
    assert failed_codes(last_run(place)) == ["better.unsure"]
    return place


def test_what_only_lacks_certainty_stays_a_candidate(one_candidate):
    """Published, not in use, and the reason says so."""
    run = last_run(one_candidate)
    assert run.reason.endswith("It stays a candidate: the next approved pairs decide.")
    with one_candidate.store() as store:
        assert [one.adapter for one in store.candidates()] == [run.id]
        assert store.champion() is None
        assert [one.id for one in store.adapters()] == [run.id]


def test_a_candidate_that_proves_itself_on_new_pairs_is_put_to_use(one_candidate):
    """With that reason, in the place of tonight's challenger, which is not promoted either."""
    candidate = last_run(one_candidate).id
    more(one_candidate, 60, 90)
    result = one_candidate.run(gate={**UNSURE, "candidate_evidence": 1.2})
    assert result.outcome == "promoted", result.reason
    assert result.challenger == candidate
    assert f"The candidate {candidate}, kept out before, wins: on 30 pairs approved since" in result.reason
    with one_candidate.store() as store:
        assert store.champion() == candidate
        assert store.candidates() == []
        assert store.last_run().why[0]["code"] == "candidate.proven"


def test_a_candidate_that_is_worse_on_average_is_not_put_to_use(one_candidate):
    """However much evidence many small gains are: one loss takes more than all of them gave."""
    candidate = last_run(one_candidate).id
    gains = [Gain(number, f"c{number}", 0.15) for number in range(1, 60)]
    with one_candidate.store() as store:
        assert proven(store, {candidate: gains}, None, 20.0) is not None
        assert proven(store, {candidate: [Gain(60, "c60", -9.0)]}, None, 0.01) is None
        assert (store.candidates()[0].pairs, round(store.candidates()[0].gain, 6)) == (60, -0.15)


def test_pairs_count_once_however_often_a_night_is_repeated(one_candidate):
    """A second run on the same pairs adds nothing."""
    more(one_candidate, 60, 80)
    candidate = last_run(one_candidate).id
    for _ in range(2):
        one_candidate.run(gate={**UNSURE, "candidate_evidence": 1e6, "candidates": 3}, force=True)
        with one_candidate.store() as store:
            (first,) = [one for one in store.candidates() if one.adapter == candidate]
        assert first.pairs == 20


def test_a_candidate_whose_files_are_gone_costs_nothing(one_candidate):
    """The night goes on without it."""
    candidate = last_run(one_candidate).id
    (one_candidate.home.adapters / candidate / "adapter_model.safetensors").write_bytes(b"nothing")
    more(one_candidate, 60, 80)
    assert one_candidate.run(gate={"folds": 0}).outcome == "promoted"


def test_memory_that_runs_out_with_a_candidate_costs_its_evidence_only(one_candidate, monkeypatch):
    """Tonight's challenger is judged all the same, and the candidate counts these pairs another night."""
    candidate = last_run(one_candidate).id
    monkeypatch.setattr(evaluate, "nlls_of", short_with("candidate"))
    more(one_candidate, 60, 80)
    assert one_candidate.run(gate={"folds": 0}).outcome == "promoted"
    with one_candidate.store() as store:
        assert store.candidate_pairs(candidate) == set()


def test_memory_that_runs_out_with_an_older_champion_costs_that_comparison_only(place, monkeypatch):
    """Its check says that nothing was compared."""
    assert place.run(gate={"folds": 0}).outcome == "promoted"
    with place.store() as store:
        store.promote(None, kind="use", actor="mod", reason="once more")
    with closing(sqlite3.connect(place.home.db)) as db, db:
        db.execute("update promotions set created_at = '2020-01-01T00:00:00.000+00:00' where adapter is not null")
    monkeypatch.setattr(evaluate, "nlls_of", short_with("anchor"))
    assert place.run(gate={"folds": 0}, force=True).outcome == "promoted"
    (anchor,) = [check for check in last_run(place).details["checks"] if check["name"] == "anchor"]
    assert (anchor["passed"], anchor["sentence"]) == (True, "no other champion was compared with")


def test_without_a_place_for_candidates_none_is_kept(place):
    """The setting switches it off: nothing is published."""
    assert place.run(gate={**UNSURE, "candidates": 0}).outcome == "kept"
    with place.store() as store:
        assert store.adapters() == []
        assert store.candidates() == []
