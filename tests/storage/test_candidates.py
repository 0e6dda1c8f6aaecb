"""Candidates in the store: bounded, counted once, gone with withdrawn words, and about one rival."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.run_records import Adapter
from storage.store import Store


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "db") as opened:
        opened.import_pairs([NewPair((Turn("user", f"boat {n}?"),), f"harbour {n}") for n in range(6)], "operator")
        yield opened


def kept(store, name, most=2):
    """A run of this name whose adapter stays a candidate; returns the ids of those that made room."""
    run = store.start_run("schedule", "2026-11-25", 1, {})
    adapter = Adapter(name, run.id, "tiny", "2026-11-25T04:00:00.000+00:00", {})
    return store.keep_candidate(run.id, adapter, most=most, reason="Not sure.", why=[])


def names(store):
    return [one.adapter for one in store.candidates()]


def test_an_adapter_that_was_kept_out_is_a_candidate_and_its_run_is_closed(store):
    """It has no evidence yet and is not in use."""
    assert kept(store, "one") == []
    (candidate,) = store.candidates()
    assert (candidate.adapter, candidate.rival, candidate.wealth, candidate.pairs) == ("one", None, (), 0)
    assert store.last_run().outcome == "kept"
    assert store.champion() is None


def test_the_least_convincing_makes_room(store):
    """It is retired; the newest always has its chance."""
    kept(store, "one")
    kept(store, "two")
    store.count_for_candidate("one", None, (3.0,), {1: 0.5})
    store.count_for_candidate("two", None, (0.5,), {1: 0.5})
    assert kept(store, "three") == ["two"]
    assert names(store) == ["one", "three"]
    assert store.adapter("two").retired_at is not None


def test_a_pair_counts_once_and_another_rival_starts_again(store):
    """The number of pairs is about the present rival; which ones were counted is kept for good."""
    kept(store, "one")
    store.count_for_candidate("one", None, (1.1,), {1: 0.5, 2: 0.5})
    store.count_for_candidate("one", None, (1.2,), {3: 0.5})
    assert (store.candidates()[0].pairs, store.candidates()[0].gain) == (3, 1.5)
    store.count_for_candidate("one", "other", (1.0,), {4: 0.5})
    (candidate,) = store.candidates()
    assert (candidate.pairs, candidate.gain, candidate.rival) == (1, 0.5, "other")
    assert store.candidate_pairs("one") == {1, 2, 3, 4}


def test_what_is_in_use_or_retired_is_no_candidate(store):
    """There is nothing left to prove."""
    kept(store, "one")
    kept(store, "two")
    store.promote("one", kind="use", actor="mod", reason="I like it")
    assert names(store) == ["two"]
    store.retire_adapter("two")
    assert names(store) == []


def test_an_adapter_that_was_ever_in_use_is_no_candidate_and_makes_no_room(store):
    """Somebody may roll back to it: the next candidates never retire it."""
    kept(store, "one")
    kept(store, "two")
    store.promote("one", kind="gate", actor="run", reason="better")
    store.promote("two", kind="gate", actor="run", reason="better still")
    assert names(store) == []
    assert kept(store, "three", most=1) == []
    assert kept(store, "four", most=1) == ["three"]
    assert store.rollback(actor="mod", reason="back").adapter == "one"


def test_a_candidate_that_learned_withdrawn_words_is_none_any_more(store, tmp_path):
    """Like any adapter, it is retired by the next success, and never promoted before."""
    kept(store, "one")
    run = store.adapter("one").run_id
    store.record_snapshot(run, [1, 2, 3])
    assert names(store) == ["one"]
    with closing(sqlite3.connect(tmp_path / "db")) as db, db:
        db.execute("update replies set redacted = 1 where id = 2")
    assert store.marked_adapters() == ["one"]
    assert names(store) == []
