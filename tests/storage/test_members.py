"""What the store holds of one person, and what it tells them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest

from storage.member_records import MemberData
from storage.pair_records import NewPair
from storage.recall_records import NewChunk, NewDocument
from storage.reply_records import Answered, Turn
from storage.run_records import Adapter
from tests.storage.conftest import ALICE, BOB, CAROL, a_reply


@pytest.fixture
def told(store):
    """Alice asked twice and overheard once; Bob was with her."""
    first = (Turn("user", "alice one", ALICE, 1),)
    second = (*first, Turn("assistant", "to alice", None, 2), Turn("user", "alice two", ALICE, 3))
    with_bob = (Turn("user", "alice two", ALICE, 3), Turn("user", "bob words", BOB, 5))
    store.add_reply(a_reply(turns=first, text="to alice", message_id=2, prompt_message_id=1))
    store.add_reply(a_reply(turns=second, text="again to alice", message_id=4, prompt_message_id=3))
    store.add_reply(a_reply(turns=with_bob, text="to bob", asker_id=BOB, message_id=6, prompt_message_id=5))
    return store


def test_what_is_held_is_counted(told):
    """Each message once, however many conversations show it."""
    assert told.member_data(ALICE) == MemberData(opted_in=None, messages=2, answers=2, conversations=3, adapters=0)
    assert told.member_data(BOB) == MemberData(opted_in=None, messages=1, answers=1, conversations=1, adapters=0)
    assert told.member_data(CAROL) == MemberData(opted_in=None, messages=0, answers=0, conversations=0, adapters=0)


def test_adapters_that_learned_from_a_person_are_counted(told):
    """Until they are retired."""
    run = told.start_run("manual", "2026-11-23", 1, {})
    told.record_snapshot(run.id, [1, 2])
    told.add_adapter(Adapter(run.id, run.id, "embedded", "2026-11-23T04:00:00.000+00:00"))
    told.set_consent(ALICE, opted_in=True)
    assert (told.member_data(ALICE).adapters, told.member_data(ALICE).opted_in) == (1, True)
    assert told.member_data(BOB).adapters == 0
    told.retire_adapter(run.id)
    assert told.member_data(ALICE).adapters == 0


def test_an_export_holds_a_persons_words_and_nobody_elses(told):
    """Their messages, the answers to them, their consent, as JSON."""
    told.set_consent(ALICE, opted_in=True)
    exported = told.export_member(ALICE)
    text = json.dumps(exported)
    assert all(words in text for words in ("alice one", "alice two", "to alice", "again to alice"))
    assert "bob words" not in text
    assert "to bob" not in text
    assert exported["learning"]["opted_in"] is True
    assert [len(one["your_messages"]) for one in exported["conversations"]] == [1, 2, 1]


def test_an_export_holds_what_documents_and_imports_hold_of_a_person(told):
    """What was saved of their messages and of the answers to them, and what they said in a saved conversation."""
    pins = NewDocument(guild_id=1, title="#rules", kind="pins", added_by="mo")
    parts = [NewChunk("alice pinned", "", 41, ALICE), NewChunk("bob pinned", "", 42, BOB), NewChunk("told her", "", 2)]
    told.add_document(pins, parts)
    voice = (Turn("user", "carol asks", CAROL), Turn("assistant", "alice spoke", ALICE), Turn("user", "and?", CAROL))
    told.import_pairs([NewPair(voice, "alice answers", "discord_export", ALICE)], "operator")
    before = MemberData(opted_in=None, messages=2, answers=2, conversations=3, adapters=0)
    assert told.member_data(ALICE) == replace(before, messages=5, conversations=4)
    text = json.dumps(told.export_member(ALICE))
    assert all(words in text for words in ("alice pinned", "told her", "alice spoke", "alice answers"))
    assert not any(words in text for words in ("bob pinned", "carol asks"))
    told.forget(ALICE)
    text = json.dumps(told.export_member(ALICE))
    assert not any(words in text for words in ("alice", "told her"))


def test_an_export_holds_what_a_moderator_did(told):
    """Their verdicts, their wording, their acts."""
    told.add_review(1, "edit", reviewer="Carol", reviewer_id=CAROL, edited_text="kinder words")
    told.audit(CAROL, "Carol", "train.now")
    exported = told.export_member(CAROL)
    assert [one["edited_text"] for one in exported["reviews_you_gave"]] == ["kinder words"]
    assert [one["action"] for one in exported["acts_of_yours"]] == ["train.now"]
    assert exported["votes_you_gave"] == []


def test_a_person_is_told_once_how_learning_works(store):
    """The first time, and never again."""
    assert store.introduce(ALICE)
    assert not store.introduce(ALICE)
    assert store.introduce(BOB)


def test_who_has_decided_is_not_told(store):
    """They know."""
    store.set_consent(ALICE, opted_in=False)
    assert not store.introduce(ALICE)


def test_forgetting_leaves_no_row_with_a_persons_number(told, db_path):
    """In no column of any table."""
    told.introduce(ALICE)
    told.set_consent(ALICE, opted_in=True)
    carol_replies = (Turn("assistant", "to alice", None, 2), Turn("user", "carol asks", CAROL, 8))
    told.add_reply(a_reply(turns=carol_replies, asker_id=CAROL))
    told.forget(ALICE)
    told.close()
    with sqlite3.connect(db_path) as db:
        dump = "\n".join(db.iterdump())
    assert str(ALICE) not in dump
    assert "alice" not in dump.replace("carol asks", "")


@pytest.mark.parametrize("later", [(), (Turn("user", "alice again", ALICE, 5), Turn("assistant", "yes", None, 6))])
def test_forgetting_takes_an_answer_that_was_never_stored_out_of_other_conversations(store, db_path, later):
    """The disk was full when it was given: Discord says whom it answered, and the store has no row of it."""
    shown = (Turn("assistant", "as alice asked", None, 77), *later, Turn("user", "carol asks", CAROL, 8))
    store.add_reply(a_reply(turns=shown, asker_id=CAROL, answered=frozenset({Answered(77, ALICE, 70)})))
    assert store.forget(ALICE).replies == (1,)
    store.close()
    with sqlite3.connect(db_path) as db:
        assert "as alice asked" not in "\n".join(db.iterdump())


def test_an_answer_to_what_a_forgotten_person_said_before_is_withheld(store):
    """Also one that was posted afterwards, and never stored; an answer to what they say now is shown."""
    store.forget(ALICE, before=100)
    late, new = Answered(105, ALICE, 99), Answered(106, ALICE, 101)
    assert set(store.withheld([late, new, Answered(98, BOB, 98)])) == {105}
    shown = (Turn("assistant", "as alice asked", None, 105), Turn("user", "carol asks", CAROL, 108))
    number = store.add_reply(a_reply(turns=shown, asker_id=CAROL, answered=frozenset({late})))
    assert "as alice asked" not in str(store.reply(number))


def test_forgetting_is_written_down_without_a_name(told):
    """That it was done, when, and how much of it; not for whom."""
    told.forget(ALICE)
    (entry,) = told.audit_search(guild_id=1)
    assert (entry.action, entry.actor_id, entry.details) == ("privacy.forget", None, {"replies": 3, "adapters": []})


def test_an_answer_shown_elsewhere_goes_though_its_own_row_is_gone(store):
    """Retention let go of the answer to Alice; a reviewed conversation of Carol's still shows it."""
    store.add_reply(a_reply("alice asks", "quoting alice", message_id=50))
    chain = (Turn("assistant", "quoting alice", None, 50), Turn("user", "carol asks", CAROL, 51))
    kept = store.add_reply(a_reply(turns=chain, asker_id=CAROL))
    store.add_review(kept, "approve", reviewer="mod")
    assert store.purge("2999").deleted == 1
    store.forget(ALICE)
    assert [turn.content for turn in store.reply(kept).turns] == ["[redacted]", "carol asks"]
