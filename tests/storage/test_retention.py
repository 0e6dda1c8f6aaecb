"""Letting go: what nobody reviewed and not everybody consented to, once it is old."""

from __future__ import annotations

import pytest

from storage.lineage import retire_marked
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.review_errors import ReplyNotFound
from storage.run_records import Adapter
from storage.store import Store
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
    assert store.member_data(ALICE).messages == 0
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


def test_what_an_adapter_has_seen_is_emptied_and_still_marks_it(store, db_path):
    """Approved, learned, taken back, forgotten, let go: the adapter is still to be retired."""
    run = taught(store, store.add_reply(a_reply("a secret", "yes, secret", message_id=5, prompt_message_id=4)))
    store.add_review(1, "undo", reviewer="mod")
    assert store.forget(ALICE).adapters == (run,)
    assert store.purge(LATER).deleted == 1
    assert store.marked_adapters() == [run]
    assert store.purge(LATER).deleted == 0
    assert retire_marked(store._db) == [run]
    assert store.purge(LATER).deleted == 0
    assert left(store) == [1], "by its number a withdrawn answer is known that still stands on Discord"


def test_a_person_can_be_forgotten_after_their_words_were_let_go(store, db_path):
    """The words are gone, also from the run's samples; whose they were is known, so that the adapter is retired."""
    run = taught(store, store.add_reply(a_reply("a secret", "yes, secret", message_id=5, prompt_message_id=4)))
    store.add_review(1, "undo", reviewer="mod")
    store.purge(LATER)
    assert b"secret" not in b"".join(one.read_bytes() for one in db_path.parent.glob("nightshift.db*"))
    assert store.run(run).details["samples"] == [None]
    assert store.marked_adapters() == [], "nobody has withdrawn anything"
    assert (store.member_data(ALICE).messages, store.member_data(ALICE).adapters) == (0, 1)
    assert store.forget(ALICE).adapters == (run,)
    assert store.marked_adapters() == [run]


def test_an_emptied_reply_waits_for_no_verdict(store):
    """There is nothing left to judge."""
    taught(store, store.add_reply(a_reply(guild_id=1)))
    store.add_review(1, "undo", reviewer="mod")
    store.purge(LATER)
    assert store.counts(learn_from=ORIGINS).pending == 0
    assert store.next_card(1, "newest") is None


def test_samples_of_replies_that_are_gone_go_too(store):
    """Earlier versions deleted the reply and left its words in the run's record."""
    run = taught(store, store.add_reply(a_reply("a secret")))
    store._db.execute("delete from replies")
    store.purge(LATER)
    assert store.run(run).details["samples"] == [None]


def taught(store: Store, reply_id: int) -> str:
    """Approve a reply and train an adapter on it, which keeps it as a sample; returns the run's and adapter's id."""
    store.add_review(reply_id, "approve", reviewer="mod")
    run = store.start_run("manual", "2026-11-23", 1, {})
    store.record_snapshot(run.id, [reply_id])
    store.add_adapter(Adapter(run.id, run.id, "embedded", "2026-11-23T04:00:00.000+00:00"))
    samples = [{"prompt": "a secret", "text": "yes", "champion": "no", "reply_id": reply_id}]
    store.finish_run(run.id, "promoted", "", details={"samples": samples})
    return run.id


def test_an_answer_that_was_withdrawn_and_then_let_go_is_not_stored_again(store):
    """It still stands on Discord, and somebody replies to it a month later."""
    store.add_reply(a_reply("a secret", "yes, secret", message_id=5, prompt_message_id=4))
    store.forget(ALICE)
    store.purge(LATER)
    shown = (Turn("assistant", "yes, secret", None, 5), Turn("user", "what?", BOB, 6))
    reply = store.reply(store.add_reply(a_reply(turns=shown, text="Hm.", asker_id=BOB)))
    assert reply.turns[0].content == "[redacted]"


def test_a_number_is_never_given_again(store):
    """The card of a reply that is gone must not act on another."""
    store.add_reply(a_reply())
    store.add_reply(a_reply(message_id=8))
    store.purge(LATER)
    assert store.add_reply(a_reply(message_id=9)) == 3
    store.purge(LATER)
    store.import_pairs(
        [NewPair((Turn("user", "Which wood?"),), "Oak."), NewPair((Turn("user", "Why?"),), "Hard.")], approved_by="Mo"
    )
    assert left(store) == [4, 5]
