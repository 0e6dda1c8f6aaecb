"""The child process: what comes back from it however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from storage.files.adapter_directory import AdapterDirectory
from trainer.launch import run_training
from trainer.lock import run_lock
from trainer.result import RunResult
from trainer.resume import can_resume


@pytest.fixture
def child_place(place, monkeypatch):
    """A home whose settings reach the child by file and environment."""
    place.home.config.write_text(
        f"""
        [model]
        base = "{place.settings.model.base}"
        device = "cpu"
        [training]
        epochs = 3
        learning_rate = 5e-3
        [gate]
        samples = 2
        sample_tokens = 6
        max_unstopped = 1.0
        max_repeating = 1.0
        max_empty = 1.0
        general_tolerance = 9
        """
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return place


async def started(place, stage="train"):
    """Wait until a child has reached a stage; returns its run."""
    while True:
        with place.store() as store:
            run = store.last_run()
        if run is not None and run.stage == stage:
            return run
        await asyncio.sleep(0.05)


async def test_a_run_in_a_child_process_trains_and_promotes(child_place, tmp_path, monkeypatch):
    """Progress comes line by line, the result as one value; a `trainer` folder nearby does no harm."""
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "__init__.py").write_text("raise ImportError")
    monkeypatch.chdir(tmp_path)
    lines = []
    result = await run_training(
        child_place.home.root, trigger="schedule", local_date="2026-11-22", on_line=lines.append
    )
    assert result.outcome == "promoted", result.reason
    assert any(line.startswith("step ") for line in lines)
    with child_place.store() as store:
        run = store.last_run()
        assert store.champion() == result.challenger
    assert (run.trigger, run.local_date) == ("schedule", "2026-11-22")
    assert run.pid != os.getpid()
    assert (result.run, result.n) == (run.id, run.holdout_pairs)


async def test_a_killed_child_leaves_a_failed_run_and_no_adapter(child_place, monkeypatch):
    """As the kernel does when memory runs out."""
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__EPOCHS", "5000")
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__PATIENCE", "100000")
    task = asyncio.create_task(run_training(child_place.home.root, on_line=lambda _: None))
    os.kill((await started(child_place)).pid, signal.SIGKILL)
    result = await task
    assert result.outcome == "failed"
    assert "was killed, perhaps because memory ran out" in result.reason
    with child_place.store() as store:
        assert store.last_run().outcome == "failed"
        assert store.champion() is None
    assert AdapterDirectory(child_place.home.adapters).ids() == []
    with run_lock(child_place.home.runs / "lock"):
        pass  # the dead let go of it


async def test_cancelling_stops_the_child_which_keeps_what_it_has(child_place, monkeypatch):
    """The bot shuts down: SIGTERM, a checkpoint within the step, nobody left behind; the run can go on."""
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__EPOCHS", "5000")
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__PATIENCE", "100000")
    task = asyncio.create_task(run_training(child_place.home.root, on_line=lambda _: None))
    run = await started(child_place)
    with child_place.store() as store:
        while not store.metrics(run.id):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with child_place.store() as store:
        assert store.run(run.id).outcome is None
    assert can_resume(child_place.home, run.id)
    with pytest.raises(ProcessLookupError):
        os.kill(run.pid, 0)


async def test_a_second_run_is_skipped_while_one_is_alive(child_place):
    """The reason says so; no run is recorded."""
    with run_lock(child_place.home.runs / "lock"):
        result = await run_training(child_place.home.root, on_line=lambda _: None)
    assert (result.run, result.outcome) == (None, "skipped")
    assert f"in progress (process {os.getpid()})" in result.reason


async def test_wrong_settings_are_a_failure_with_the_sentence(child_place):
    """The same sentence that the command line prints."""
    child_place.home.config.write_text("[training]\nepoch = 3\n")
    result = await run_training(child_place.home.root, on_line=lambda _: None)
    assert result.outcome == "failed"
    assert "no setting 'epoch'" in result.reason


def test_a_result_survives_its_line_of_json():
    """What the child prints is what the parent reads."""
    result = RunResult("20261123T040000-3f9a", "promoted", "It won.", "20261123T040000-3f9a", 3.2, 2.1, 9)
    assert RunResult.from_json(result.to_json()) == result
    assert "\n" not in result.to_json()


def test_a_terminal_gets_a_bar_with_the_time_left(child_place):
    """The child writes to the terminal itself; a pipe or a log gets lines instead."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "trainer", "--home", str(child_place.home.root)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the last of the other end is an error here
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert child.wait() == 0
    assert b"training" in shown
    assert re.search(rb"36/36.*\d:\d\d:\d\d", shown)
