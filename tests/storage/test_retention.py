"""Letting go: what nobody reviewed and not everybody consented to, once it is old."""

from __future__ import annotations

import pytest

from storage import NewPair, ReplyNotFound, Store, Turn
from tests.storage.conftest import ALICE, BOB, a_reply

LATER = "2999-01-01T00:00:00.000+00:00"


def left(store: Store) -> list[int]:
    numbers = []
    for number in range(1, 20):
        try:
            numbers.append(store.reply(number).id)
        except ReplyNotFound:
            continue
    return numbers


def test_what_was_neither_reviewed_nor_consented_goes(store, db_path):
    """Its words are in no row afterwards."""
    store.add_reply(a_reply("a secret", message_id=5, prompt_message_id=4))
    assert store.purge(LATER).deleted == 1
    assert left(store) == []
    assert store.holdings(ALICE).messages == 0
    store.close()
    assert b"a secret" not in db_path.read_bytes()


def test_what_is_younger_stays(store):
    """The setting's number of days."""
    store.add_reply(a_reply())
    assert store.purge("2026-01-01T00:00:00.000+00:00").deleted == 0
    assert left(store) == [1]


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_what_was_reviewed_stays(store, verdict):
    """A verdict says what it is good for."""
    store.add_review(store.add_reply(a_reply()), verdict, reviewer="mod")
    store.purge(LATER)
    assert left(store) == [1]


def test_a_verdict_taken_back_keeps_nothing(store):
    """It waits for a review like any other."""
    store.add_review(store.add_reply(a_reply()), "approve", reviewer="mod")
    store.add_review(1, "undo", reviewer="mod")
    assert store.purge(LATER).deleted == 1


def test_what_everybody_in_it_consented_to_stays(store):
    """One who did not is enough to let it go."""
    both = (Turn("user", "a", ALICE), Turn("user", "b", BOB))
    store.add_reply(a_reply())
    store.add_reply(a_reply(turns=both))
    store.set_consent(ALICE, opted_in=True)
    store.purge(LATER)
    assert left(store) == [1]


def test_what_is_left_of_a_forgotten_conversation_goes(store):
    """A row without words is of no use to anybody."""
    store.add_reply(a_reply())
    store.forget(ALICE)
    assert store.purge(LATER).deleted == 1


def test_imports_and_the_terminal_are_the_operators_own(store):
    """They are not let go."""
    store.import_pairs([NewPair((Turn("user", "hi"),), "hello")], "ann")
    store.add_reply(a_reply(source="chat", turns=(Turn("user", "hi"),), asker_id=None))
    store.purge(LATER)
    assert left(store) == [1, 2]


def test_it_is_done_in_batches(store):
    """Each a short transaction, so that answers can be stored in between."""
    for number in range(7):
        store.add_reply(a_reply(f"q{number}"))
    store.add_review(2, "approve", reviewer="mod")
    steps = [store.purge(LATER, batch=3)]
    while not steps[-1].done:
        steps.append(store.purge(LATER, after=steps[-1].seen_to, batch=3))
    assert [(step.deleted, step.seen_to) for step in steps] == [(2, 3), (3, 6), (1, 7)]
    assert left(store) == [2]
