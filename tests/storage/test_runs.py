"""Runs and what they report."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from storage.adapter_errors import RunNotFound
from storage.store import Store


def test_a_run_is_recorded_from_start_to_finish(store):
    """Stage, fields and outcome as they happen; the last run is the one asked about."""
    run = store.start_run("schedule", "2026-11-23", 4242, {"training": {"rank": 16}})
    assert re.fullmatch(r"\d{8}T\d{6}-[0-9a-f]{4}", run.id)
    assert store.run(run.id) == run
    store.update_run(run.id, stage="train", train_pairs=80, champion=None, snapshot_hash="abc", details={"epochs": 3})
    store.finish_run(run.id, "promoted", "better by 0.3", challenger="v1", champion_nll=3.2, challenger_nll=2.9)
    done = store.last_run()
    assert (done.id, done.trigger, done.local_date, done.pid) == (run.id, "schedule", "2026-11-23", 4242)
    assert (done.stage, done.outcome, done.reason, done.challenger) == ("train", "promoted", "better by 0.3", "v1")
    assert (done.train_pairs, done.champion_nll, done.config) == (80, 3.2, {"training": {"rank": 16}})
    assert done.details == {"epochs": 3}
    assert done.finished_at >= done.started_at


def test_runs_are_listed_newest_first(store):
    """Also those that started in the same second."""
    assert store.last_run() is None
    started = [store.start_run("manual", "2026-11-23", 1, {}).id for _ in range(3)]
    assert [run.id for run in store.runs(2)] == [started[2], started[1]]


def test_a_misspelt_or_fixed_field_is_refused(store):
    """A typing error must not pass for a kept record."""
    run = store.start_run("manual", "2026-11-23", 1, {})
    with pytest.raises(ValueError, match="no changeable field chalenger"):
        store.update_run(run.id, chalenger="v1")
    with pytest.raises(ValueError, match="no changeable field started_at"):
        store.update_run(run.id, started_at="now")


def test_an_unknown_run_says_so(store):
    """For each thing that can be asked of a run."""
    for ask in (
        lambda: store.run("x"),
        lambda: store.update_run("x", stage="train"),
        lambda: store.finish_run("x", "failed", "why"),
        lambda: store.log_metrics("x", 1, {"loss": 1.0}),
    ):
        with pytest.raises(RunNotFound, match="no run x"):
            ask()


def test_metrics_come_back_in_order_with_values_that_are_no_numbers(store):
    """A diverged loss is reported as such."""
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.log_metrics(run.id, 1, {"loss": 2.5, "learning_rate": 1e-4})
    store.log_metrics(run.id, 2, {"loss": math.nan})
    first, second, third = store.metrics(run.id)
    assert (first.step, first.name, first.value) == (1, "loss", 2.5)
    assert (second.name, second.value) == ("learning_rate", 1e-4)
    assert (third.step, math.isnan(third.value)) == (2, True)


def test_two_processes_that_start_at_once_agree_on_the_first_start(store, db_path):
    """The one that waits for the other takes its time."""

    def another() -> str:
        with Store.open(db_path) as opened:
            return opened.first_start("2026-02-02T00:00:00.000+00:00")

    with ThreadPoolExecutor(1) as pool:
        with store.writing():
            first = store.first_start("2026-01-01T00:00:00.000+00:00")
            asked = pool.submit(another)
            wait([asked], timeout=0.5)
        assert asked.result(30) == store.first_start() == first
