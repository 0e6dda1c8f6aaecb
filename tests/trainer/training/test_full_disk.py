"""A disk that fills up during a run: a sentence, and the run goes on when there is room again."""

from __future__ import annotations

import errno
import os
import pydoc
import sqlite3

import pytest

from storage.adapter_errors import AdapterUnpublished
from storage.errors import DiskFull
from trainer.errors import is_disk_full


def full(*_args, **_options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def filling(monkeypatch):
    """The disk is full from the `after`th time on that a function is called."""

    def fill(name, after=1):
        real, calls = {}, []
        module, _, function = name.rpartition(".")

        def write(*args, **options):
            calls.append(1)
            return full() if len(calls) >= after else real["it"](*args, **options)

        parent = pydoc.locate(module)
        real["it"] = getattr(parent, function)
        monkeypatch.setattr(parent, function, write)

    return fill


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("trainer.training.checkpoint.write", 3),
        ("storage.files.adapter_directory._copy", 1),
        ("storage.store.Store.log_metrics", 9),
    ],
    ids=["a checkpoint", "the adapter", "the database"],
)
def test_a_full_disk_ends_a_run_with_a_sentence_and_it_goes_on_later(place, filling, monkeypatch, name, after):
    """Where it stopped, as the same run, whatever it was that could not be written."""
    often = {"checkpoint_minutes": 0}
    filling(name, after)
    result = place.run(training=often)
    monkeypatch.undo()
    assert result.outcome == "failed"
    assert result.reason.startswith(f"The disk of {place.home.root} is full: free some space")
    assert "will resume at the next start" in result.reason
    again = place.run(training=often)
    assert (again.run, again.outcome) == (result.run, "promoted")


def test_a_full_disk_before_there_is_anything_to_go_on_from_closes_the_run(place, filling, monkeypatch):
    """Then the night starts again."""
    filling("trainer.run_snapshot.write_manifest")
    result = place.run()
    assert result.reason == f"The disk of {place.home.root} is full: free some space, and train again."
    monkeypatch.undo()
    again = place.run()
    assert (again.outcome, again.run != result.run) == ("promoted", True)


def test_a_full_disk_is_known_by_what_caused_an_error():
    """Libraries say it each in their own words."""
    with pytest.raises(OSError, match="No space") as cause:
        full()
    published = AdapterUnpublished("v1", "it could not be written")
    assert not is_disk_full(published)
    published.__cause__ = cause.value
    assert is_disk_full(published)
    assert is_disk_full(DiskFull())
    assert is_disk_full(RuntimeError("[enforce fail at inline_container.cc:672] . PytorchStreamWriter failed writing"))
    assert not is_disk_full(OSError(errno.EACCES, "Permission denied"))
    assert not is_disk_full(sqlite3.OperationalError("database is locked"))
