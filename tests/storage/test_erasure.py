"""Erasure: the bytes of removed words are in no file of the database, at once."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from storage import erasure
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import ALICE, a_reply

LATER = "2999-01-01T00:00:00.000+00:00"
WORD = "marzipan-4711"


def in_files(path: Path, word: str) -> list[str]:
    """The files of the database that hold a word."""
    return [one.name for one in path.parent.iterdir() if word.encode() in one.read_bytes()]


@pytest.fixture
def told(store):
    """A reply to Alice that says the word many times over, with a correction that does, too."""
    reply_id = store.add_reply(a_reply(f"{WORD} " * 300, f"You said {WORD}.", message_id=40, prompt_message_id=30))
    store.add_review(reply_id, "edit", reviewer="mod", edited_text=f"Ah, {WORD}!")
    return store


@pytest.mark.parametrize(
    "remove",
    [lambda store: store.forget(ALICE), lambda store: store.redact_messages([30, 40])],
    ids=["forgotten", "deleted"],
)
def test_removed_words_are_in_no_file_at_once(told, db_path, remove):
    """Neither in the file nor in its write-ahead log, while the store stays open."""
    assert in_files(db_path, WORD)
    remove(told)
    assert in_files(db_path, WORD) == []


def test_words_let_go_in_time_are_in_no_file(store, db_path):
    """After the last batch."""
    for number in range(5):
        store.add_reply(a_reply(f"{WORD} {number}"))
    step = store.purge(LATER, batch=2)
    while not step.done:
        step = store.purge(LATER, after=step.seen_to, batch=2)
    assert in_files(db_path, WORD) == []


def test_a_samples_words_that_a_run_records_too_late_are_in_no_file(told, db_path):
    """The run read them before they were withdrawn."""
    run = told.start_run("manual", "2026-11-23", 1, {})
    told.record_snapshot(run.id, [1])
    told.forget(ALICE)
    told.update_run(run.id, details={"samples": [{"prompt": WORD, "text": "a", "champion": "b", "reply_id": 1}]})
    assert in_files(db_path, WORD) == []


@pytest.mark.parametrize("seed", [16, 27])
def test_nothing_is_left_between_the_rows_of_a_page(store, db_path, seed):
    """Rows that grow and go move others about; SQLite leaves copies behind that it does not overwrite by itself."""
    draw, live = random.Random(seed), []
    for number in range(90):
        word = f"zq{seed}x{number:04d}"
        words = " ".join([word] * draw.choice([1, 3, 30, 400, 2000]))
        turns = (Turn("user", words, ALICE, 1000 + number),)
        store.add_reply(a_reply(turns=turns, text=word * draw.choice([1, 50, 900])))
        live.append((1000 + number, word))
        if draw.random() < 0.4:
            message_id, gone = live.pop(draw.randrange(len(live)))
            store.redact_messages([message_id])
            assert in_files(db_path, gone) == []


def test_what_a_reader_keeps_from_being_erased_is_erased_later(told, db_path):
    """A backup or the trainer reads at that moment; the words are gone for every query, and then from the files."""
    reader = sqlite3.connect(db_path, isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from replies").fetchone()
    told.forget(ALICE)
    assert not told.erase()
    reader.close()
    assert told.erase()
    assert in_files(db_path, WORD) == []


def test_what_is_due_is_done_after_a_restart(told, db_path):
    """The transaction that removes words also notes that their bytes are to go."""
    reader = sqlite3.connect(db_path, isolation_level=None)
    reader.execute("begin")
    reader.execute("select count(*) from replies").fetchone()
    told.forget(ALICE)
    told.close()
    reader.close()
    with Store.open(db_path) as store:
        assert store.erase()
        assert in_files(db_path, WORD) == []


def test_a_large_file_is_written_anew_only_when_nobody_waits(told, db_path, monkeypatch):
    """The log is emptied at once all the same."""
    monkeypatch.setattr(erasure.carry_out, "__kwdefaults__", {"at_most": 1})
    told.forget(ALICE)
    assert WORD.encode() not in Path(f"{db_path}-wal").read_bytes()
    assert not told.erase(at_most=1)
    assert told.erase(at_most=None)
    assert in_files(db_path, WORD) == []


def test_nothing_due_costs_nothing(store, db_path):
    """The file is left alone."""
    store.add_reply(a_reply())
    before = db_path.stat().st_mtime_ns
    assert store.erase(at_most=None)
    assert db_path.stat().st_mtime_ns == before
