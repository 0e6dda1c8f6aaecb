"""A full disk and a damaged file: each a sentence, wherever it is met, and nothing half written."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from storage.async_store import AsyncStore
from storage.database import check_database
from storage.errors import DatabaseDamaged, DatabaseUnreadable, DiskFull
from storage.faults import as_storage_error
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import a_reply

ROOT = Path(__file__).resolve().parents[2]


def damage(path):
    """Overwrite the pages of a database but for its first ones."""
    with sqlite3.connect(path) as db:
        db.execute("pragma wal_checkpoint(truncate)")
    db.close()
    data = bytearray(path.read_bytes())
    for start in range(4096 * 2, len(data), 4096):
        data[start : start + 4096] = b"\x5a" * 4096
    path.write_bytes(data)


@pytest.fixture
def filled(db_path):
    with Store.open(db_path) as store:
        for number in range(200):
            store.add_reply(a_reply(f"answer {number} " * 20))
    return db_path


def test_a_whole_database_passes_both_checks(filled):
    """Quickly, and thoroughly."""
    check_database(filled)
    check_database(filled, thorough=True)


def test_a_damaged_database_is_found_and_named(filled):
    """With what to do."""
    damage(filled)
    with pytest.raises(DatabaseDamaged, match=r"is damaged .*recover"):
        check_database(filled)


def test_a_file_that_never_was_a_database_is_said_to_be_none(db_path):
    """Somebody put another file there."""
    db_path.write_bytes(b"words" * 1000)
    with pytest.raises(DatabaseUnreadable):
        check_database(db_path)


async def test_a_read_that_meets_damage_is_a_sentence(filled):
    """Through the bot's door."""
    async with await AsyncStore.open(filled) as store:
        damage(filled)
        with pytest.raises(DatabaseDamaged, match="damaged"):
            await store.call(lambda held: [held.reply(number) for number in range(1, 201)])


def full(store):
    """No page more fits into the database."""
    (pages,) = store._db.execute("pragma page_count").fetchone()
    store._db.execute(f"pragma max_page_count = {pages}")


def test_a_full_disk_ends_a_write_with_a_sentence_and_keeps_what_was(filled):
    """The transaction is gone whole; when there is room again, writing goes on."""
    with Store.open(filled) as store:
        full(store)
        pairs = [NewPair((Turn("user", f"Question {number}?"),), "word " * 500) for number in range(200)]
        with pytest.raises(DiskFull, match="free some space"):
            store.import_pairs(pairs, "op")
        assert store.counts(learn_from=ORIGINS).approved == 0
        store._db.execute("pragma max_page_count = 1073741823")
        assert store.import_pairs(pairs, "op").imported == 200


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_known_from_the_system_too(number):
    """As files of adapters and checkpoints meet it."""
    assert isinstance(as_storage_error(OSError(number, "no")), DiskFull)


def test_what_is_a_mistake_of_ours_stays_one():
    """A misspelt statement is no failing disk."""
    assert as_storage_error(ValueError("no")) is None
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(":memory:").execute("selct")
    assert as_storage_error(caught.value) is None


@pytest.mark.parametrize("write", ["safetensors", "torch", "python"])
def test_a_full_disk_is_known_from_the_libraries_that_write_adapters(tmp_path, write):
    """Real writes in a process that may write no more than a few kilobytes."""
    code = """
import resource, signal, sys
import torch, safetensors.torch
from storage.faults import as_storage_error
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
weights, path = {"a": torch.zeros(100_000)}, sys.argv[2] + "/weights"
try:
    if sys.argv[1] == "safetensors":
        safetensors.torch.save_file(weights, path)
    elif sys.argv[1] == "torch":
        torch.save(weights, path)
    else:
        open(path, "wb").write(bytes(100_000))
except Exception as error:
    print(as_storage_error(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, write, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "disk is full" in done.stdout
