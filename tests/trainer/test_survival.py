"""Runs that are stopped, killed or cancelled: what goes on, what is closed, and that nothing is lost between."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace

import pytest
import torch

from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from tests.trainer.pairs import new_pairs
from tests.trainer.test_launch import child_place, started  # noqa: F401 - a fixture
from tests.trainer.training.test_qlora import examples_of, into, recipe_of
from trainer.errors import RunInterrupted
from trainer.launch import run_training
from trainer.progress import Lines
from trainer.resume import can_resume, close_unfinished, find_resumable
from trainer.run import run_once
from trainer.settings import load_trainer_settings
from trainer.training.base import forbid_repacking
from trainer.training.checkpoint import has_checkpoint
from trainer.training.interruption import Interruption
from trainer.training.qlora import attach_adapter, train


class Stopped(Lines):
    """Progress that asks the process to stop at a step, as a service manager would."""

    def __init__(self, at):
        super().__init__()
        self._at = at

    def step(self, done, total, note):
        super().step(done, total, note)
        if done == self._at and "loss" in note:
            self._at = None
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def learn(tiny_base, tmp_path):
    """Train a tiny base with dropout and noise, stopped at steps; returns the losses by step and what was learned."""

    def run(name, *stops):
        losses, stops = {}, list(stops)
        while True:
            base = tiny_base.load()
            forbid_repacking(base.model)
            recipe = recipe_of(epochs=3, dropout=0.1, neftune=5.0, batch=4)
            torch.manual_seed(0)
            model = attach_adapter(base.model, recipe)
            examples = examples_of(base)

            def report(step, _total, figures):
                losses.update({(name, step): value for name, value in figures.items() if name.endswith("loss")})
                if stops and step == stops[0] and "loss" in figures:
                    stops.pop(0)
                    os.kill(os.getpid(), signal.SIGTERM)

            try:
                options = {**into(tmp_path / name), "report": report, "pad_id": 0, "seed": 1}
                learned = train(model, examples[:34], examples[34:], recipe, **options)
            except RunInterrupted:
                continue
            weights = {name: weight.clone() for name, weight in model.named_parameters() if weight.requires_grad}
            return losses, learned, weights

    return run


def test_a_training_that_is_stopped_ends_as_if_it_had_not_been(learn):
    """Order, dropout, noise, optimizer, schedule and the best step so far go on to the last digit."""
    whole_losses, whole, whole_weights = learn("whole")
    losses, learned, weights = learn("stopped", 3, 8, 9)  # an evaluation is due at step 4, 8, 12, ...
    assert losses == pytest.approx(whole_losses, rel=1e-6)
    assert learned == replace(whole, fresh_tokens=learned.fresh_tokens)
    assert 0 < learned.fresh_tokens < whole.fresh_tokens == whole.tokens
    assert all(torch.allclose(weights[name], whole_weights[name], atol=1e-7) for name in weights)


def test_a_signal_stops_the_training_within_the_step(tiny_base, tmp_path):
    """The step in hand is finished and kept; not one more is begun."""
    base = tiny_base.load()
    forbid_repacking(base.model)
    model = attach_adapter(base.model, recipe_of())
    examples, steps = examples_of(base), []

    def report(step, _total, figures):
        steps.append(step)
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(RunInterrupted) as stopped:
        train(model, examples[:34], examples[34:], recipe_of(), pad_id=0, seed=1, report=report, **into(tmp_path))
    assert stopped.value.step == 3  # the figures of step 2 are told when it is over
    assert has_checkpoint(tmp_path)


def test_an_impatient_second_signal_ends_the_process_at_once():
    """The first one is only noted; Ctrl-C comes twice, from the terminal and from the parent, and is one."""
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.asked
    with Interruption(grace_s=0.0):
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


def stop_at(place, step, **training):
    """Make a run that is asked to stop at a step; returns its result and its row."""
    settings = place.settings.model_copy(update={"training": replace(place.settings.training, **training)})
    result = run_once(place.home, settings, progress=Stopped(step))
    with place.store() as store:
        return result, store.run(result.run)


def test_a_run_that_was_stopped_goes_on_at_the_next_start(place):
    """The same row, the same pairs although more were approved since, the metrics of every step once, one adapter."""
    result, row = stop_at(place, 5)
    assert (result.outcome, row.outcome) == ("failed", None)
    assert result.reason == "The run was stopped at step 6 and will resume from there at the next start."
    with place.store() as store:
        store.import_pairs(new_pairs(90)[60:], approved_by="operator")
    again = place.run()
    assert (again.run, again.outcome) == (result.run, "promoted")
    with place.store() as store:
        run = store.run(again.run)
        steps = [metric.step for metric in store.metrics(run.id) if metric.name == "loss"]
    assert run.train_pairs + run.holdout_pairs == 60
    assert steps == list(range(1, len(steps) + 1))
    assert AdapterDirectory(place.home.adapters).ids() == [again.challenger]
    assert not (place.home.runs / run.id / "checkpoints").exists()


def test_a_run_whose_words_were_withdrawn_is_closed_and_the_night_starts_anew(place):
    """A checkpoint that has learned from them is gone with it."""
    result, _ = stop_at(place, 3)
    with place.store() as store:
        store.add_review(1, "reject", reviewer="mod")
    again = place.run()
    assert again.run != result.run
    assert again.outcome == "promoted"
    with place.store() as store:
        closed = store.run(result.run)
    assert closed.outcome == "failed"
    assert "words it learned from were withdrawn or changed since; the night starts again" in closed.reason
    assert not (place.home.runs / result.run / "checkpoints").exists()


def test_other_settings_start_the_night_anew(place):
    """What was begun with the old ones would be neither the one nor the other."""
    result, _ = stop_at(place, 3)
    again = place.run(training={"learning_rate": 4e-3})
    assert again.run != result.run
    with place.store() as store:
        assert "the settings were changed since" in store.run(result.run).reason


def test_a_run_that_somebody_cancelled_does_not_go_on(place):
    """Closed with the reason, checkpoints and all."""
    result, _ = stop_at(place, 3)
    with place.store() as store:
        close_unfinished(store, place.home, "Mo cancelled it.")
        assert (store.run(result.run).outcome, store.run(result.run).reason) == ("failed", "Mo cancelled it.")
    assert not can_resume(place.home, result.run)


def die(*_args, **_options):
    raise SystemExit


@pytest.fixture
def died(place, monkeypatch):
    """A run whose trainer died right before a call of the store that ends it; returns the run's row."""

    def run(call):
        with monkeypatch.context() as patch:
            patch.setattr(f"storage.store.Store.{call}", die)
            _, row = stop_at(place, None)
        assert row.outcome is None
        return row

    return run


def test_an_adapter_that_was_published_is_not_trained_again_but_promoted(place, died):
    """The verdict was there: it is carried out, in one step, without a single new training step."""
    row = died("conclude_run")
    assert row.stage == "promote"
    with place.store() as store:
        assert (store.champion(), store.adapters()) == (None, [])
        steps = len(store.metrics(row.id))
    again = place.run()
    assert (again.run, again.outcome, again.challenger) == (row.id, "promoted", row.id)
    assert again.challenger_nll == row.challenger_nll
    with place.store() as store:
        assert (store.champion(), store.run(row.id).outcome, len(store.metrics(row.id))) == (row.id, "promoted", steps)
        assert len(store.runs()) == 1
    assert AdapterDirectory(place.home.adapters).verify(row.id)


def test_an_adapter_that_lost_before_the_trainer_died_is_not_trained_again(place, monkeypatch):
    """Its verdict is carried out as well."""
    with monkeypatch.context() as patch:
        patch.setattr("storage.store.Store.finish_run", die)
        gate = replace(place.settings.gate, max_expected_loss=1e-30, candidates=0)  # nothing is so sure
        settings = place.settings.model_copy(update={"gate": gate})
        result = run_once(place.home, settings, progress=Lines())
    again = run_once(place.home, settings, progress=Lines())
    assert (again.run, again.outcome) == (result.run, "kept")
    with place.store() as store:
        assert [part["code"] for part in store.run(result.run).why[0]["parts"]] == ["better.unsure"]


def unsure(place):
    """Settings under which certainty alone is lacking, so that the adapter stays a candidate."""
    return place.settings.model_copy(update={"gate": replace(place.settings.gate, max_expected_loss=1e-30)})


@pytest.fixture
def died_as_a_candidate(place, monkeypatch):
    """A run whose trainer died right before it could make its adapter a candidate; returns the run's id."""
    with monkeypatch.context() as patch:
        patch.setattr("storage.store.Store.keep_candidate", die)
        result = run_once(place.home, unsure(place), progress=Lines())
    with place.store() as store:
        assert store.run(result.run).outcome is None
        assert store.adapters() == []
    assert AdapterDirectory(place.home.adapters).ids() == [result.run]
    return result.run


def test_an_adapter_that_only_lacked_certainty_becomes_a_candidate_at_the_next_start(place, died_as_a_candidate):
    """With a row, so that forgetting finds it; nothing is trained again."""
    again = run_once(place.home, unsure(place), progress=Lines())
    assert (again.run, again.outcome) == (died_as_a_candidate, "kept")
    assert again.reason.endswith("It stays a candidate: the next approved pairs decide.")
    with place.store() as store:
        assert [one.adapter for one in store.candidates()] == [died_as_a_candidate]
        assert store.run(died_as_a_candidate).why[-1]["code"] == "candidate.kept"


def test_an_adapter_without_a_row_is_removed_where_it_learned_words_withdrawn_since(place, died_as_a_candidate):
    """Its run ends as it was judged."""
    with place.store() as store:
        store.add_review(1, "reject", reviewer="mod")
    again = run_once(place.home, unsure(place), progress=Lines())
    assert (again.run, again.outcome) == (died_as_a_candidate, "kept")
    with place.store() as store:
        assert store.candidates() == []
    assert AdapterDirectory(place.home.adapters).ids() == []


def test_a_run_that_is_cancelled_leaves_no_adapter_without_a_row(place, died_as_a_candidate):
    """Its files go as it is closed."""
    with place.store() as store:
        close_unfinished(store, place.home, "Mo cancelled it.")
        assert store.run(died_as_a_candidate).outcome == "failed"
    assert AdapterDirectory(place.home.adapters).ids() == []


def test_a_run_that_fails_after_it_published_leaves_no_adapter_without_a_row(place, monkeypatch):
    """Forgetting could never retire it."""

    def fail(*_args, **_options):
        raise RuntimeError

    monkeypatch.setattr("storage.store.Store.conclude_run", fail)
    result = place.run()
    assert (result.outcome, AdapterDirectory(place.home.adapters).ids()) == ("failed", [])
    with place.store() as store:
        assert store.run(result.run).outcome == "failed"


def test_a_choice_made_before_the_verdict_was_carried_out_stands(place, died):
    """A moderator changed the adapter meanwhile: the winner is published, and not put to use."""
    row = died("conclude_run")
    other = place.run(force=True, training={"seed": 2}, trigger="schedule", local_date="2020-01-01")
    assert other.run != row.id
    with place.store() as store:
        assert store.champion() == other.challenger
        assert store.run(row.id).outcome == "failed"


def test_words_withdrawn_before_the_verdict_was_carried_out_keep_the_adapter_out(place, died):
    """It learned from them."""
    row = died("conclude_run")
    with place.store() as store:
        store.add_review(1, "reject", reviewer="mod")
    again = place.run()
    assert again.run != row.id
    with place.store() as store:
        assert store.run(row.id).outcome == "failed"
        assert store.champion() == again.challenger


def test_promotion_retirement_and_outcome_are_one(place, monkeypatch):
    """When the last of them cannot be written, none is: no reader finds a champion of a run that goes on."""
    with monkeypatch.context() as patch:
        patch.setattr("storage.runs.finish", die)
        _, row = stop_at(place, None)
    assert row.outcome is None
    with place.store() as store:
        assert (store.champion(), store.adapters()) == (None, [])
    assert place.run().outcome == "promoted"


@pytest.fixture
def one_thread():
    """As the child has it: how many threads share a sum decides how it is rounded, and the curves part at step 11."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
async def test_a_killed_child_goes_on_and_learns_what_it_would_have_learned(child_place, tmp_path, monkeypatch):  # noqa: F811
    """SIGKILL at any moment: the curve goes on, and the result is that of a run that nobody killed."""
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__CHECKPOINT_MINUTES", "0")
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__EPOCHS", "20")
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__PATIENCE", "1000")
    place = child_place
    task = asyncio.create_task(run_training(place.home.root, on_line=lambda _: None))
    run = await started(place)
    while not can_resume(place.home, run.id) or last_step(place, run.id) < 20:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    killed = await task
    assert "was killed" in killed.reason
    assert "will resume at the next start" in killed.reason
    settings = load_trainer_settings(place.home)
    other = Home(tmp_path / "other").ensure()
    other.models.rmdir()
    other.models.symlink_to(place.home.models.resolve())
    with replace(place, home=other).store() as store:
        store.import_pairs(new_pairs(60), approved_by="operator")
    whole = await asyncio.to_thread(run_once, other, settings, progress=Lines())
    again = await asyncio.to_thread(run_once, place.home, settings, progress=Lines())
    assert again.run == killed.run
    assert (again.outcome, whole.outcome) == ("promoted", "promoted")
    assert again.challenger_nll == pytest.approx(whole.challenger_nll, abs=1e-3)
    assert losses(place, again.run) == pytest.approx(losses(replace(place, home=other), whole.run), rel=1e-3)


def last_step(place, run_id):
    return max(losses(place, run_id), default=0)


def losses(place, run_id):
    """By step; a step that was made twice counts as it was made last."""
    with place.store() as store:
        return {metric.step: metric.value for metric in store.metrics(run_id) if metric.name == "loss"}


@pytest.mark.parametrize("year", [2020, 2999])
def test_a_run_too_old_to_matter_is_closed(place, year):
    """The pairs of the days since are worth more; one begun in the future was begun by a clock that was ahead."""
    result, row = stop_at(place, 3)
    with place.store() as store:
        store._db.execute("update runs set started_at = ?", [f"{year}-01-01T00:00:00.000+00:00"])
        store._db.commit()
        assert find_resumable(store, place.home, row.config, "2026-01-03") is None
        assert "too long ago" in store.run(result.run).reason
