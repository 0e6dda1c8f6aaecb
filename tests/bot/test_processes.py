"""Several processes on one home: what is done once is done by one of them, and by another when that one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from bot.settings import load_settings
from bot.shards import Shards
from storage.errors import HomeOccupied, ShardOccupied, ShardsDiffer
from storage.files.home_lock import occupy
from storage.store import Store

LONG_AGO = "2026-01-01T00:00:00.000+00:00"
PROCESS = """
import asyncio, os, sys
from pathlib import Path

from bot.app import Nightshift
from bot.settings import load_settings
from storage import leases
from storage.files.home import Home
from storage.store import Store
from tests.fake_engine import FakeEngine
from trainer import schedule
from trainer.result import RunResult

leases.BEAT_S, leases.SILENCE_S, schedule._LOOK_S = 0.2, 1.5, 0.2
home = Home(Path(sys.argv[1])).ensure()

async def train(_home, *, force, trigger, local_date):
    with Store.open(home.db) as store:
        run = store.start_run(trigger, local_date, os.getpid(), {})
        await asyncio.sleep(0.5)
        store.finish_run(run.id, "skipped", "Nothing new.")
    return RunResult(run.id, "skipped", "Nothing new.")

async def main():
    async with Nightshift.open(home, load_settings(home), engine=FakeEngine(), schedule=True, train=train) as app:
        print("open", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@contextmanager
def process(home, shard_range, count="2"):
    """A bot with these shards, as a program of its own; killed at the end."""
    chosen = {"NIGHTSHIFT_DISCORD__SHARDS": count, "NIGHTSHIFT_DISCORD__SHARD_RANGE": shard_range}
    environment = {**os.environ, **chosen, "PYTHONPATH": os.getcwd()}  # noqa: PTH109
    arguments = [sys.executable, "-c", PROCESS, str(home.root)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment) as program:
        try:
            yield program
        finally:
            program.kill()


def until(so, seconds=60):
    end = time.monotonic() + seconds
    while not (found := so()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def runs(home):
    with Store.open(home.db) as store:
        return store.runs()


def test_two_processes_run_one_night_once_and_one_takes_over_when_the_other_is_killed(home):
    """With the real schedule; the night is missed when they start, and both look for it."""
    with Store.open(home.db) as store:
        store.first_start(LONG_AGO)
    with process(home, "0") as one, process(home, "1") as two:
        for program in (one, two):
            until(lambda program=program: program.stdout.readline() == "open\n")
        (first,) = until(lambda: [run for run in runs(home) if run.outcome])
        time.sleep(2)  # ten looks of both
        assert [run.id for run in runs(home)] == [first.id]
        leader, other = (one, two) if first.pid == one.pid else (two, one)
        os.kill(leader.pid, signal.SIGKILL)
        with Store.open(home.db) as store:  # the next night: nothing was run for it
            store._db.execute("delete from runs")
        (second,) = until(lambda: [run for run in runs(home) if run.outcome])
        assert second.pid == other.pid
        with Store.open(home.db) as store:
            assert f"process {other.pid}" in store.lease("lead").holder


def test_a_shard_is_served_by_one_process_and_all_count_the_same(home):
    """Beside a bot without shards none of them starts, nor that one beside them."""
    with occupy(home, 4, (0, 1)), occupy(home, 4, (2,)):
        with pytest.raises(ShardOccupied, match="serves shard 1"), occupy(home, 4, (1, 3)):
            pass
        with pytest.raises(ShardsDiffer, match="count 4 shards, not 8"), occupy(home, 8, (3,)):
            pass
        with pytest.raises(HomeOccupied), occupy(home):
            pass
        with occupy(home, 4, (3,)):
            pass
    with occupy(home, 8, (0,)):
        pass
    with occupy(home), pytest.raises(HomeOccupied), occupy(home, 4, (0,)):
        pass


def test_each_process_has_a_log_and_a_sign_of_life_of_its_own(home):
    """One without a range has the usual ones."""
    assert (home.part("").logs, home.part("").health) == (home.logs, home.health)
    assert home.part("0-1").logs != home.part("2-3").logs
    assert home.part("0-1").health != home.part("2-3").health


@pytest.mark.parametrize(
    ("count", "chosen", "shards"),
    [
        (0, "", Shards()),
        (4, "", Shards(4)),
        (4, "2", Shards(4, (2,))),
        (4, "0-3", Shards(4, (0, 1, 2, 3))),
        (4, "1-2", Shards(4, (1, 2))),
        (4, "2-1", None),
        (4, "3-4", None),
        (0, "0", None),
    ],
)
def test_a_range_names_shards_that_there_are(count, chosen, shards):
    """Anything else is refused with the setting's name."""
    if shards is None:
        with pytest.raises(ValueError, match="shard_range"):
            Shards.parse(count, chosen)
    else:
        assert Shards.parse(count, chosen) == shards


def test_a_server_belongs_to_one_shard_and_direct_messages_to_the_first():
    """As Discord divides them: by the time at which the server was made."""
    parts = [Shards(3, (one,)) for one in range(3)]
    for guild in (1 << 22, 5 << 22, 123456789012345678, None):
        assert sum(one.serve(guild) for one in parts) == 1
    assert [one.serve(None) for one in parts] == [True, False, False]
    assert Shards().serve(7) and Shards(3).serve(7)  # noqa: PT018


def test_a_range_without_a_number_is_a_sentence(home, monkeypatch):
    """Said when the settings are read."""
    monkeypatch.setenv("NIGHTSHIFT_DISCORD__SHARD_RANGE", "0-1")
    with pytest.raises(Exception, match="shard_range"):
        load_settings(home)
