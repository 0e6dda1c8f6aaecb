"""The copy that `nightshift explore` shows: what is in it, and that nothing of a person is."""

from __future__ import annotations

import sqlite3

import pytest

from storage.audit_records import Act
from storage.database import open_database
from storage.public_copy import HIDDEN, PUBLIC, copy_public
from storage.run_records import Adapter
from storage.store import Store
from tests.storage.conftest import a_reply


@pytest.fixture
def path(tmp_path):
    """A store in which every text and every id of a person can be recognized."""
    with Store.open(tmp_path / "a.db") as store:
        asked = {"guild_id": 77, "channel_id": 9990001, "message_id": 9990002, "prompt_message_id": 9990003}
        reply = store.add_reply(a_reply("secretquestion", "secretanswer", 9990004, **asked))
        store.add_review(
            reply, "edit", edited_text="secretedit", reviewer="secretname", reviewer_id=9990005, reason="secretreason"
        )
        store.act(
            lambda _: None,
            lambda _: Act(action="x.y", actor="secretname", actor_id=9990006, subject="secretsubject", guild_id=77),
        )
        run = store.start_run("schedule", "2026-11-25", 1, {"persona": "secretpersona"})
        store.log_metrics(run.id, 1, {"loss": 2.5})
        store.finish_run(run.id, "failed", "stopped by secretname", details={"samples": ["secretsample"]})
        store.add_adapter(Adapter("a1", run.id, "base", "2026-11-23T04:00:00.000+00:00", {"by": "secretname"}))
        store.promote("a1", kind="use", actor="secretname", reason="secretreason")
    return tmp_path / "a.db"


@pytest.fixture
def copy(path):
    made, store = sqlite3.connect(":memory:"), open_database(path)
    copy_public(store, made)
    store.close()
    yield made
    made.close()


def test_no_word_name_or_id_of_a_person_is_in_the_copy(path, copy):
    """In no table, however one asks."""
    written = sqlite3.connect(path)
    everything = "\n".join(written.iterdump())
    written.close()
    assert everything.count("secret") > 8
    assert everything.count("999000") > 4
    shown = "\n".join(copy.iterdump())
    assert "secret" not in shown
    assert "999000" not in shown


def test_what_is_left_can_be_counted_and_joined(copy):
    """Verdicts by adapter, the loss of a run."""
    assert copy.execute("select standing, verdict from replies join reviews on reply_id = replies.id").fetchall() == [
        ("edit", "edit")
    ]
    assert copy.execute("select outcome, value from runs join run_metrics on run_id = runs.id").fetchall() == [
        ("failed", 2.5)
    ]
    assert copy.execute("pragma foreign_key_list(reviews)").fetchone()[2:5] == ("replies", "reply_id", "id")


def test_of_every_table_it_is_said_whether_it_is_public(path):
    """Whoever adds a table decides."""
    with sqlite3.connect(path) as db:
        tables = {
            name
            for (name,) in db.execute("select name from sqlite_master where type = 'table'")
            if not name.startswith(("sqlite_", "_sqlite_", "recall_words_"))
        }
        columns = {table: {row[1] for row in db.execute(f"pragma table_info({table})")} for table in PUBLIC}
    assert tables == set(PUBLIC) | HIDDEN
    assert all(set(PUBLIC[table]) <= columns[table] for table in PUBLIC)


def test_the_copy_leaves_the_store_as_it_was(path):
    """It reads only, and another process may write meanwhile."""
    store, made = open_database(path), sqlite3.connect(":memory:")
    copy_public(store, made)
    assert not store.in_transaction
    store.execute("delete from audit")
    store.close()
    made.close()
