"""Writes that belong together: transactions that nest, acts with their trace, and how a run ends."""

from __future__ import annotations

import sqlite3

import pytest

from storage.adapter_errors import ChampionChanged
from storage.audit_records import Act
from storage.database import open_database, writing
from storage.errors import DiskFull
from storage.run_records import Adapter
from storage.store import Store


@pytest.fixture
def db(db_path):
    connection = open_database(db_path)
    connection.execute("create table t (n integer)")
    yield connection
    connection.close()


def numbers(db):
    return [row[0] for row in db.execute("select n from t order by n")]


def write(db, *numbers_, fail=False):
    """Write each number in a transaction of its own, all of them in one more; then perhaps fail."""
    with writing(db):
        for number in numbers_:
            with writing(db):
                db.execute("insert into t values (?)", [number])
        if fail:
            raise ValueError("no")


def test_a_write_inside_another_is_undone_with_it(db):
    """One transaction, however many functions take part in it."""
    with pytest.raises(ValueError, match="no"):
        write(db, 1, 2, fail=True)
    assert numbers(db) == []
    assert not db.in_transaction


def test_an_inner_write_that_fails_leaves_the_outer_one(db):
    """Its part alone is undone, at any depth."""
    with writing(db):
        write(db, 1)
        with pytest.raises(ValueError, match="no"):
            write(db, 2, 3, fail=True)
        write(db, 4)
    assert numbers(db) == [1, 4]


def test_a_full_disk_is_a_sentence_and_undoes_everything(db):
    """SQLite's own limit on pages is as full as a disk is."""
    (pages,) = db.execute("pragma page_count").fetchone()
    db.execute(f"pragma max_page_count = {pages + 2}")
    with pytest.raises(DiskFull, match="The disk is full"):
        write(db, *range(5000))
    assert numbers(db) == []
    assert not db.in_transaction


def test_a_promotion_expects_the_champion_it_was_made_against(store, add_adapter):
    """Somebody else's choice is not overruled, the bare base included."""
    add_adapter("v1", "v2")
    store.promote("v1", kind="gate", actor="run", reason="", expected=None)
    with pytest.raises(ChampionChanged, match="now: v1"):
        store.promote("v2", kind="gate", actor="run", reason="", expected=None)
    assert store.champion() == "v1"
    store.promote(None, kind="use", actor="mo", reason="", expected="v1")
    with pytest.raises(ChampionChanged, match="the base model"):
        store.promote("v2", kind="gate", actor="run", reason="", expected="v1")


def test_a_rollback_leads_where_it_was_looked(store, add_adapter):
    """Between looking at the files and writing, another process may have promoted."""
    add_adapter("v1", "v2", "v3")
    for name in ("v1", "v2"):
        store.promote(name, kind="gate", actor="run", reason="")
    assert store.champion_before() == "v1"
    store.promote("v3", kind="gate", actor="run", reason="")
    with pytest.raises(ChampionChanged):
        store.rollback(actor="mo", reason="", to="v1")
    assert store.champion() == "v3"


def a_winner(store):
    run = store.start_run("schedule", "2026-11-23", 1, {})
    return run.id, Adapter(run.id, run.id, "embedded", "2026-11-23T04:00:00.000+00:00", {"seed": 1})


def test_a_run_that_won_is_promoted_and_closed_at_once(store):
    """Row, promotion and outcome."""
    run_id, adapter = a_winner(store)
    run = store.conclude_run(run_id, adapter, expected=None, reason="It won.")
    assert (run.outcome, run.reason, run.challenger) == ("promoted", "It won.", run_id)
    assert store.champion() == run_id


def test_a_run_that_won_does_not_overrule_a_choice_made_meanwhile(store, add_adapter):
    """Published, listed and not in use."""
    add_adapter("v1")
    run_id, adapter = a_winner(store)
    store.promote("v1", kind="use", actor="mo", reason="")
    run = store.conclude_run(run_id, adapter, expected=None, reason="It won.")
    assert run.outcome == "kept"
    assert "changed by hand" in run.reason
    assert (store.champion(), store.adapter(run_id).retired_at) == ("v1", None)


def test_two_processes_promote_one_after_the_other(store, db_path):
    """Of two winners judged against the same champion the first one wins."""
    (first, one), (second, two) = a_winner(store), a_winner(store)
    with Store.open(db_path) as other:
        assert other.conclude_run(second, two, expected=None, reason="").outcome == "promoted"
    assert store.conclude_run(first, one, expected=None, reason="").outcome == "kept"
    assert store.champion() == second


def test_an_act_is_undone_when_its_trace_cannot_be_written(store, add_adapter, monkeypatch):
    """Both or neither."""
    add_adapter("v1")

    def fail(*_args, **_options):
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("storage.audit.insert", fail)
        with pytest.raises(sqlite3.OperationalError):
            store.act(lambda it: it.promote("v1", kind="use", actor="mo", reason=""), lambda _: Act(1, "mo", "x"))
    assert (store.champion(), store.audit_search()) == (None, [])
    store.act(lambda it: it.promote("v1", kind="use", actor="mo", reason=""), lambda made: Act(1, "mo", "x", made.kind))
    assert (store.champion(), store.audit_search()[0].subject) == ("v1", "use")
