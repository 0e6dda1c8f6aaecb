"""Which adapters hold words that were withdrawn: runs, what they saw, and retiring."""

from __future__ import annotations

import pytest

from storage.adapter_errors import RunNotFound
from storage.lineage import retire_marked, spans
from storage.run_records import Adapter
from tests.storage.conftest import ALICE, BOB, a_reply


@pytest.fixture
def learned(store):
    """A run whose adapter has seen these replies; returns the adapter's id."""

    def learn(*reply_ids: int) -> str:
        run = store.start_run("manual", "2026-11-23", 1, {})
        store.record_snapshot(run.id, reply_ids)
        store.add_adapter(Adapter(run.id, run.id, "embedded", "2026-11-23T04:00:00.000+00:00"))
        return run.id

    return learn


def test_forgetting_marks_the_adapters_that_saw_the_words(store, learned):
    """Those that did, and no others."""
    of_alice, of_bob = store.add_reply(a_reply()), store.add_reply(a_reply(asker=BOB))
    saw, did_not = learned(of_alice, of_bob), learned(of_bob)
    assert store.marked_adapters() == []
    assert store.forget(ALICE).adapters == (saw,)
    assert store.marked_adapters() == [saw]
    assert did_not not in retire_marked(store._db)


def test_a_deleted_message_marks_them_too(store, learned):
    """Words that were taken back on Discord are words withdrawn."""
    adapter = learned(store.add_reply(a_reply(prompt_message_id=30)))
    store.redact_messages([30])
    assert store.marked_adapters() == [adapter]


def test_marked_adapters_are_retired_once_and_never_champion_again(store, learned):
    """After the next successful run; the clean champion stays."""
    of_alice, of_bob = store.add_reply(a_reply()), store.add_reply(a_reply(asker=BOB))
    tainted, clean = learned(of_alice, of_bob), learned(of_bob)
    store.promote(tainted, kind="gate", actor="trainer", reason="won")
    store.forget(ALICE)
    assert store.champion() == tainted  # until there is something to take its place
    store.promote(clean, kind="gate", actor="trainer", reason="won")
    assert retire_marked(store._db) == [tainted]
    assert retire_marked(store._db) == []
    assert store.marked_adapters() == []
    assert store.champion() == clean
    store.rollback(actor="mod", reason="")
    assert store.champion() is None


def test_words_withdrawn_during_a_run_mark_its_adapter(store):
    """The snapshot was taken before, the adapter comes after."""
    reply_id = store.add_reply(a_reply())
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.record_snapshot(run.id, [reply_id])
    store.forget(ALICE)
    store.add_adapter(Adapter(run.id, run.id, "embedded", "2026-11-23T04:00:00.000+00:00"))
    assert store.marked_adapters() == [run.id]
    assert retire_marked(store._db, keep=run.id) == []  # it replaces worse; the next run replaces it
    assert retire_marked(store._db, keep="next") == [run.id]


@pytest.mark.parametrize("named", [True, False])
def test_withdrawn_words_go_from_the_samples_of_a_run_too(store, named):
    """What a run kept to show to moderators; if it does not say from which reply, all of it goes."""
    of_alice, of_bob = store.add_reply(a_reply("alice asks")), store.add_reply(a_reply("bob asks", asker=BOB))
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.record_snapshot(run.id, [of_alice, of_bob])
    samples = [{"prompt": "alice asks", "reply_id": of_alice}, {"prompt": "bob asks", "reply_id": of_bob}]
    if not named:
        samples = [{"prompt": sample["prompt"]} for sample in samples]
    store.finish_run(run.id, "kept", "", details={"samples": samples, "duplicates": 3})
    assert store.run(run.id).details["samples"] == samples
    store.forget(ALICE)
    kept = store.run(run.id).details
    assert kept["samples"] == [None, samples[1] if named else None], "votes know a sample by its place"
    assert kept["duplicates"] == 3


def test_samples_of_words_withdrawn_during_a_run_are_not_kept(store):
    """They were read before the person was forgotten."""
    reply_id = store.add_reply(a_reply("alice asks"))
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.record_snapshot(run.id, [reply_id])
    store.forget(ALICE)
    store.update_run(run.id, details={"samples": [{"prompt": "alice asks", "reply_id": reply_id}]})
    assert store.run(run.id).details["samples"] == [None]


def test_answers_that_may_recite_words_withdrawn_during_a_run_are_not_kept(store):
    """To whatever question: the model had learned the words, and nobody knows them any more."""
    of_alice, of_bob = store.add_reply(a_reply("alice asks")), store.add_reply(a_reply("bob asks", asker=BOB))
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.record_snapshot(run.id, [of_alice, of_bob])
    store.forget(ALICE)
    samples = [{"prompt": "bob asks", "text": "alice asks", "champion": "?", "reply_id": of_bob}]
    store.update_run(run.id, details={"samples": samples, "duplicates": 3})
    assert store.run(run.id).details == {"samples": [None], "duplicates": 3}


def test_a_snapshot_belongs_to_a_run(store):
    """No run, no snapshot; recording again replaces."""
    with pytest.raises(RunNotFound):
        store.record_snapshot("never", [1])


def test_numbers_are_kept_as_spans():
    """A night's snapshot is mostly one long span."""
    assert spans([5, 1, 2, 3, 3, 9, 8]) == [(1, 3), (5, 5), (8, 9)]
    assert spans([]) == []
