"""A trainer that hangs or outlives its bot: noticed, ended, and never in the way of a later run."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.trainer.test_launch import child_place, started  # noqa: F401 - a fixture
from trainer import launch, lock
from trainer.heartbeat import heartbeat
from trainer.launch import run_training
from trainer.lock import holder_of, run_lock


@pytest.fixture
def long_run(child_place, monkeypatch):  # noqa: F811
    """A home whose runs last until they are ended, and a heart that is missed after a second."""
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__EPOCHS", "5000")
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__PATIENCE", "100000")
    monkeypatch.setenv("NIGHTSHIFT_TRAINING__CHECKPOINT_MINUTES", "0")
    return child_place


async def at_a_step(place):
    """Wait until a child has made a step; returns its run."""
    run = await started(place)
    with place.store() as store:
        while len(store.metrics(run.id)) < 20:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    return run


async def test_a_trainer_stopped_at_a_step_is_noticed_and_ended(long_run, monkeypatch):
    """SIGSTOP: no sign for a while, so it is ended; the run is said to go on, and the next one is not in its way."""
    monkeypatch.setattr(lock, "SILENCE_S", 8.0)
    monkeypatch.setattr(launch, "_LOOK_S", 0.2)
    task = asyncio.create_task(run_training(long_run.home.root, on_line=lambda _: None))
    run = await at_a_step(long_run)
    os.kill(run.pid, signal.SIGSTOP)
    result = await asyncio.wait_for(task, 30)
    assert result.reason == (
        "The training process stopped responding and was ended; the run will resume at the next start."
    )
    assert holder_of(long_run.home.runs / "lock") is None


async def test_a_stopped_trainer_does_not_outlast_a_container_that_ends(long_run):
    """SIGTERM reaches no process that is stopped; it is killed in time, and its run goes on later."""
    task = asyncio.create_task(run_training(long_run.home.root, on_line=lambda _: None))
    run = await at_a_step(long_run)
    os.kill(run.pid, signal.SIGSTOP)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 8
    with pytest.raises(ProcessLookupError):
        os.kill(run.pid, 0)


def test_a_lock_whose_holder_hangs_is_taken_from_it(tmp_path, monkeypatch):
    """A trainer that somebody stopped in a terminal does not block every later night."""
    monkeypatch.setattr(lock, "SILENCE_S", 0.5)
    program = "import sys, time\nfrom pathlib import Path\nfrom trainer.lock import run_lock\n"
    program += "with run_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    command = [sys.executable, "-c", program, str(tmp_path / "lock"), "trainer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        assert holder_of(tmp_path / "lock").pid == child.pid
        time.sleep(1)
        with run_lock(tmp_path / "lock"):
            assert child.wait(5) == -signal.SIGKILL
    assert holder_of(tmp_path / "lock") is None


def test_nobody_but_a_trainer_is_ended(tmp_path, monkeypatch):
    """The number in the file may be another process's, here this test's own."""
    with run_lock(tmp_path / "lock"):
        monkeypatch.setattr(lock, "SILENCE_S", -1.0)
        assert holder_of(tmp_path / "lock").hangs
        assert not lock.end(holder_of(tmp_path / "lock"), signal.SIGKILL)


def test_a_thread_that_does_not_move_has_no_heartbeat():
    """Waiting for ever is a hang, however alive the process is; moving again starts the beat again."""
    beats = []
    with heartbeat(lambda: beats.append(time.monotonic()), every_s=0.02, stuck_s=0.2):
        time.sleep(1.0)
        still = len(beats)
        assert 3 <= still <= 12
        for _ in range(20):
            time.sleep(0.02)
    assert len(beats) > still + 5


async def test_a_line_of_progress_that_cannot_be_shown_ends_no_run():
    """One longer than can be held, and a listener that fails: what comes after them is heard."""
    stream, heard = asyncio.StreamReader(limit=16), []
    stream.feed_data(b"x" * 40 + b"\nfirst\nsecond\n")
    stream.feed_eof()

    def listen(line):
        heard.append(line)
        if line == "first":
            raise RuntimeError("no terminal")

    await launch._forward(stream, listen)
    assert heard[-2:] == ["first", "second"]
