"""Folds in real runs on a tiny base: new pairs are judged by trainings that left them out, and nothing else changes."""

from __future__ import annotations

import errno

import pytest
from safetensors.torch import load_file

from tests.trainer.pairs import new_pairs
from trainer import cross_fitting
from trainer.errors import MemoryShort, RunInterrupted, TrainingDiverged
from trainer.training import qlora, shown_examples

WANTED = {"folds": 2, "older_tolerance": 9.0, "max_expected_loss": 9.0, "max_loss": 9.0}


@pytest.fixture
def second_night(place, monkeypatch):
    """A home with a champion and 40 new pairs, whose hold-out is never clear enough."""
    first = place.run(gate={"folds": 0})
    assert first.outcome == "promoted", first.reason
    monkeypatch.setattr(cross_fitting, "is_decided", lambda _scores: False)
    with place.store() as store:
        store.import_pairs(new_pairs(100)[60:], approved_by="operator")
    return place


def run_of(place, **gate):
    place.run(gate={**WANTED, **gate}, training={"epochs": 6})
    with place.store() as store:
        return store.last_run()


def weights_of(place, run):
    return load_file(place.home.adapters / run.id / "adapter_model.safetensors")


def test_new_pairs_are_judged_and_the_adapter_that_goes_out_is_trained_on_all(second_night, monkeypatch):
    """Each training leaves its part out, all begin with the champion, and the night's own adapter comes back whole."""
    learned = []
    real = qlora.train

    def train(model, examples, *rest, **options):
        learned.append({example.reply_id for example in examples})
        return real(model, examples, *rest, **options)

    monkeypatch.setattr(qlora, "train", train)
    monkeypatch.setattr(cross_fitting, "train", train)
    run = run_of(second_night)
    record = run.details["folds"]
    assert (record["outcome"], record["folds"], record["start"]) == ("judged", 2, "champion")
    (better,) = [check for check in run.details["checks"] if check["name"] == "better"]
    assert better["figures"]["pairs"] == run.holdout_pairs + record["pairs"]
    whole, *folds = learned
    left_out = [whole - fold for fold in folds]
    assert all(fold < whole for fold in folds)
    assert record["pairs"] == len({one for part in left_out for one in part if one > 60})
    assert run.outcome == "promoted", run.reason


def test_no_fold_reads_an_answer_that_it_judges(second_night, monkeypatch):
    """Examples in the prompts would show it: the night learns with them, folds without. No example validates."""
    trained, offered = [], []

    def examples_for(pairs, *_rest):
        offered.extend(pair.reply_id for pair in pairs)
        return {pair.reply_id: pairs[:1] for pair in pairs[1:]}

    def recording(real):
        def train(model, learning, validating, *rest, **options):
            trained.append(({one.reply_id: one for one in learning}, {one.reply_id for one in validating}))
            return real(model, learning, validating, *rest, **options)

        return train

    monkeypatch.setattr(shown_examples, "examples_for", examples_for)
    monkeypatch.setattr(qlora, "train", recording(qlora.train))
    monkeypatch.setattr(cross_fitting, "train", recording(cross_fitting.train))
    run_of(second_night)
    (night, validating), *folds = trained
    assert folds
    assert validating.isdisjoint(offered)
    for learned, _ in folds:
        shown = [number for number in learned if number != offered[0]]
        assert all(len(learned[number].ids) < len(night[number].ids) for number in shown)


def test_the_adapter_is_the_same_with_and_without_folds(second_night):
    """Its weights are put back after the folds, bit by bit."""
    with_folds = run_of(second_night)
    with second_night.store() as store:
        store.rollback(actor="mod", reason="once more")
    (second_night.home.runs / with_folds.id / "snapshot.json").unlink()
    without = run_of(second_night, folds=0)
    assert (with_folds.outcome, without.outcome) == ("promoted", "promoted")
    ours, theirs = weights_of(second_night, with_folds), weights_of(second_night, without)
    assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_a_run_stopped_in_a_fold_resumes_there(second_night, monkeypatch):
    """The challenger is not trained again, nor are the folds that had ended."""
    real, made = cross_fitting.train, []

    def stopped_in_the_second(*args, **options):
        made.append(options["checkpoints"].name)
        if made.count("fold-1") == 1 and made[-1] == "fold-1":
            raise RunInterrupted(1)
        return real(*args, **options)

    monkeypatch.setattr(cross_fitting, "train", stopped_in_the_second)
    second_night.run(gate=WANTED, training={"epochs": 6})
    with second_night.store() as store:
        open_run = store.last_run()
    assert open_run.outcome is None
    second_night.run(gate=WANTED, training={"epochs": 6})
    with second_night.store() as store:
        run = store.last_run()
    assert run.id == open_run.id
    assert run.outcome in ("promoted", "kept")
    assert run.details["folds"]["outcome"] == "judged"


@pytest.mark.parametrize(("gate", "why"), [({"folds": 0}, "off"), ({"banned": ("harbour",)}, "other checks failed")])
def test_folds_are_not_trained_where_they_change_nothing(second_night, gate, why):
    """Switched off, or another check has failed already."""
    if gate.get("banned"):
        gate = {**gate, "samples": 4}
    run = run_of(second_night, **gate)
    assert run.details["folds"] == {"outcome": why}


@pytest.mark.parametrize(
    "error", [MemoryShort(900), TrainingDiverged(), OSError(errno.ENOMEM, "Cannot allocate memory")]
)
def test_a_fold_that_cannot_be_trained_costs_the_folds_only(second_night, monkeypatch, error):
    """The hold-out judges alone then, and the challenger is as it was trained."""

    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(cross_fitting, "train", fail)
    run = run_of(second_night)
    assert run.details["folds"] == {"outcome": "failed"}
    assert run.outcome == "promoted"
