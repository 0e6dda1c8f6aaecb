"""Leases: one of several processes at a time, and another one soon after the first is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from storage import leases
from storage.leases import BEAT_S, SILENCE_S, Lease, may_take
from storage.store import Store

HOLDER = """
import sys, time
from pathlib import Path
from storage.store import Store
with Store.open(Path(sys.argv[1])) as store:
    print(store.take_lease("night", "other"), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("lease", "free"),
    [
        (None, True),
        (Lease("me", 1.0), True),
        (Lease("other", 1000.0), False),
        (Lease("other", 1000.1 - SILENCE_S), False),
        (Lease("other", 1000.0 - SILENCE_S), True),
        (Lease("other", 1001.0), True),
    ],
    ids=["nobody", "own", "just renewed", "still heard of", "silent", "of an earlier boot"],
)
def test_a_lease_is_free_when_nobody_was_heard_of_for_a_while(lease, free):
    """At 1,000 s on the machine's clock."""
    assert may_take(lease, "me", 1000.0) is free


def test_a_dead_holder_is_replaced_within_a_minute():
    """Renewals may be missed twice; who waits looks as often, and the schedule every half minute."""
    from trainer import schedule

    assert 3 * BEAT_S < SILENCE_S
    assert SILENCE_S + BEAT_S + schedule._LOOK_S < 60


def test_one_holds_it_until_it_gives_it_back(tmp_path):
    """Whichever process asks; leases of other names are others."""
    with Store.open(tmp_path / "a.db") as one, Store.open(tmp_path / "a.db") as other:
        assert one.take_lease("night", "one")
        assert not other.take_lease("night", "other")
        assert other.take_lease("day", "other")
        assert one.take_lease("night", "one")
        other.give_back_lease("night", "other")  # which it does not hold
        assert not other.take_lease("night", "other")
        one.give_back_lease("night", "one")
        assert other.take_lease("night", "other")
        assert one.lease("night").holder == "other"


def test_a_holder_that_was_killed_is_replaced_and_does_not_come_back(tmp_path, monkeypatch):
    """Kill -9 in another process: it releases nothing."""
    monkeypatch.setattr(leases, "SILENCE_S", 1.0)
    with Store.open(tmp_path / "a.db") as store:
        arguments = [sys.executable, "-c", HOLDER, str(tmp_path / "a.db")]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "True\n"
            assert not store.take_lease("night", "me")
            os.kill(other.pid, signal.SIGKILL)
        while not store.take_lease("night", "me"):
            time.sleep(0.05)
        assert not store.take_lease("night", "other")
