"""Replies: stored with what the bot was shown, found again, queued for review, redacted."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict

import pytest

from storage.origins import ORIGINS
from storage.redactions import REDACTED
from storage.replies import set_message_id
from storage.reply_records import Turn
from storage.review_errors import ReplyNotFound, ReplyRedacted
from tests.storage.conftest import ALICE, BOB, CAROL, a_reply


def test_a_reply_comes_back_as_it_went_in(store):
    """Every field, with turns as records again."""
    new = a_reply(
        turns=(Turn("user", "Où est le thé? 🍵\n'x'", ALICE, 11), Turn("assistant", "?"), Turn("user", "Tea", BOB, 12)),
        adapter="v1",
        guild_id=1,
        channel_id=2,
        message_id=13,
        prompt_message_id=12,
        finish_reason="length",
    )
    reply = store.reply(store.add_reply(new))
    stored = asdict(reply)
    assert {name: stored[name] for name in asdict(new)} == asdict(new)
    assert reply.id == 1
    assert reply.created_at.endswith("+00:00")
    assert not reply.redacted


def test_discord_identifiers_of_64_bits_survive(store):
    """A snowflake is larger than a float can hold exactly."""
    snowflake = 2**63 - 1
    reply_id = store.add_reply(a_reply(message_id=snowflake))
    assert store.reply_by_message(snowflake).id == reply_id


def test_an_unknown_reply_says_so(store):
    """The error carries the number asked for."""
    with pytest.raises(ReplyNotFound, match="no reply 99") as caught:
        store.reply(99)
    assert caught.value.reply_id == 99
    with pytest.raises(ReplyNotFound):
        set_message_id(store._db, 99, 1)


def test_the_message_of_a_reply_can_be_named_later(store):
    """The row is written before Discord has given the message a number."""
    reply_id = store.add_reply(a_reply())
    assert store.reply_by_message(700) is None
    set_message_id(store._db, reply_id, 700)
    assert store.reply_by_message(700).id == reply_id


def test_of_two_answers_in_one_message_the_newer_stands_there(store):
    """Another answer takes the place of the first, which stays a reply of its own until the message is deleted."""
    first, second = (store.add_reply(a_reply(text=text, message_id=700)) for text in ("Oak.", "Ash."))
    assert store.reply_by_message(700).id == second
    assert store.reply(first).text == "Oak."
    assert store.redact_messages([700]) == [first, second]
    assert store.reply(first).text == REDACTED


WHOLE = {"finish_reason": "stop", "confidence": 0.5, "adapter": None}


def test_a_reply_that_broke_off_is_gone_on_with(store):
    """The pair that is approved afterwards is the prompt and the whole answer."""
    reply_id = store.add_reply(a_reply(text="Once upon", finish_reason="length"))
    assert store.extend_reply(reply_id, "Once upon a time.", **WHOLE)
    store.add_review(reply_id, "approve", reviewer="Mo")
    assert [pair.completion for pair in store.pairs()] == ["Once upon a time."]
    assert (store.reply(reply_id).finish_reason, store.reply(reply_id).confidence) == ("stop", 0.5)


@pytest.mark.parametrize("fate", ["approved", "taken back", "redacted", "another adapter", "held", "unknown"])
def test_what_was_judged_or_made_otherwise_is_not_gone_on_with(store, fate):
    """A verdict is about the words that were read; one reply has one adapter."""
    reply_id = store.add_reply(
        a_reply(text="Once upon", message_id=700, adapter="v1" if fate == "another adapter" else None)
    )
    if fate in ("approved", "taken back"):
        store.add_review(reply_id, "approve", reviewer="Mo")
    if fate == "taken back":
        store.add_review(reply_id, "undo", reviewer="Mo")
    if fate == "redacted":
        store.redact_messages([700])
    if fate == "held":
        store.hold(reply_id, [700])
    before = store.reply(reply_id).text
    assert not store.extend_reply(reply_id if fate != "unknown" else 99, "Once upon a time.", **WHOLE)
    assert store.reply(reply_id).text == before


def test_the_messages_whose_words_are_stored_are_listed_by_channel(store):
    """The newest replies' own messages, what they answered and what they were shown; redacted ones no longer."""
    store.add_reply(a_reply(channel_id=1, message_id=1, prompt_message_id=2))
    turns = (Turn("user", "Tea", ALICE, 11), Turn("assistant", "?", message_id=12), Turn("user", "Tea!", ALICE, 13))
    store.add_reply(a_reply(turns=turns, channel_id=1, message_id=14, prompt_message_id=13))
    store.add_reply(a_reply(guild_id=7, channel_id=2, message_id=22, prompt_message_id=21))
    gone = store.add_reply(a_reply(guild_id=7, channel_id=2, message_id=24, prompt_message_id=23))
    store.redact_messages([23])
    assert store.reply(gone).redacted
    assert store.stored_messages("", 2) == {(None, 1): [14, 13, 12, 11], (7, 2): [22, 21]}
    assert sorted(store.messages_in(1)) == [1, 2, 11, 12, 13, 14]
    assert sorted(store.messages_in(2)) == [21, 22]
    assert store.stored_messages("2999", 9) == {}


def test_a_reply_to_nothing_is_refused(store):
    """A pair needs a prompt: turns end with a user turn."""
    for turns in ((), (Turn("system", "Be kind."),), (Turn("user", "a", 1), Turn("assistant", "b"))):
        with pytest.raises(ValueError, match="end with a user turn"):
            store.add_reply(a_reply(turns=turns))
    assert store.counts(learn_from=ORIGINS).pending == 0


def test_pending_replies_are_those_without_a_verdict(store):
    """Newest first for a queue, or oldest first, up to the limit."""
    numbers = [store.add_reply(a_reply(f"question {n}")) for n in range(5)]
    store.add_review(numbers[2], "reject", reviewer="mod")
    assert [reply.id for reply in store.recent_pending(3)] == [5, 4, 2]
    assert [reply.id for reply in store.recent_pending(10, newest=False)] == [1, 2, 4, 5]


def test_forgetting_a_person_removes_their_words_and_the_answers_to_them(store, db_path):
    """Others' words stay; the person's number is in no row; nothing can be trained on."""
    turns = (
        Turn("user", "alice secret", ALICE, 1),
        Turn("assistant", "to alice", None, 2),
        Turn("user", "bob words", BOB, 3),
    )
    to_bob = store.add_reply(a_reply(turns=turns, text="to bob", asker=BOB, asker_id=BOB, message_id=4))
    to_alice = store.add_reply(a_reply("alice again", "alice answer", message_id=5))
    store.add_review(to_alice, "edit", reviewer="mod", edited_text="dear alice")
    store.set_consent(ALICE, opted_in=True)

    assert store.forget(ALICE).replies == (to_bob, to_alice)

    kept = store.reply(to_bob)
    assert [turn.content for turn in kept.turns] == [REDACTED, REDACTED, "bob words"]
    assert (kept.text, kept.redacted) == ("to bob", True)
    gone = store.reply(to_alice)
    assert (gone.turns[-1].content, gone.text, gone.asker_id) == (REDACTED, REDACTED, None)
    assert store.latest_review(to_alice).edited_text == REDACTED
    assert store.consent(ALICE) is None
    assert list(store.pairs()) == []
    assert store.forget(ALICE).replies == ()
    store.close()
    _assert_nowhere(db_path, "alice secret", "alice again", "alice answer", "dear alice", str(ALICE))


def test_what_the_bot_said_to_a_forgotten_person_goes_from_others_conversations(store):
    """Carol's reply chain shows the bot's answer to Alice without Alice's own message."""
    store.add_reply(a_reply("alice asks", "answer quoting alice", message_id=50))
    chain = (Turn("assistant", "answer quoting alice", None, 50), Turn("user", "carol asks", CAROL, 51))
    to_carol = store.add_reply(a_reply(turns=chain, asker_id=CAROL))
    assert store.forget(ALICE).replies == (1, to_carol)
    assert [turn.content for turn in store.reply(to_carol).turns] == [REDACTED, "carol asks"]


def test_a_message_deleted_on_discord_is_redacted_wherever_it_was_shown(store):
    """As a prompt (with the answer to it), and as context of a later reply."""
    asked = store.add_reply(a_reply(turns=(Turn("user", "oops", ALICE, 30),), prompt_message_id=30, message_id=31))
    later = store.add_reply(a_reply(turns=(Turn("user", "oops", ALICE, 30), Turn("user", "tea?", BOB, 32))))
    other = store.add_reply(a_reply())
    assert len(store.redact_messages([30])) == 2
    assert store.reply(asked).text == REDACTED
    assert [turn.content for turn in store.reply(later).turns] == [REDACTED, "tea?"]
    assert store.reply(later).text == "Second shelf."
    assert not store.reply(other).redacted
    assert len(store.redact_messages([30])) == 0


def test_the_bots_own_deleted_message_is_redacted(store):
    """A moderator who deletes an answer does not want it learned."""
    reply_id = store.add_reply(a_reply(message_id=40))
    assert len(store.redact_messages([40])) == 1
    assert (store.reply(reply_id).text, store.reply(reply_id).turns[-1].content) == (REDACTED, "Where is the tea?")


def _assert_nowhere(db_path, *words):
    """No row of any table holds these words."""
    connection = sqlite3.connect(db_path)
    dump = "\n".join(connection.iterdump())
    connection.close()
    for word in words:
        assert word not in dump, word


def test_an_answer_to_somebody_else_that_repeats_forgotten_words_goes(store, db_path):
    """And from the conversations that show it, however many answers pass it on; others' own words stay."""
    said = (Turn("user", "my code is marzipan", ALICE, 1), Turn("user", "what did she say?", BOB, 2))
    to_bob = store.add_reply(a_reply(turns=said, text="Her code is marzipan.", asker_id=BOB, message_id=3))
    store.add_review(to_bob, "edit", reviewer="mod", edited_text="It is Marzipan!")
    shown = (Turn("assistant", "Her code is marzipan.", None, 3), Turn("user", "thanks", CAROL, 4))
    to_carol = store.add_reply(a_reply(turns=shown, text="Marzipan it is.", asker_id=CAROL, message_id=5))
    further = (Turn("assistant", "Marzipan it is.", None, 5), Turn("user", "what is?", BOB, 6))
    again = store.add_reply(a_reply(turns=further, text="Nothing at all.", asker_id=BOB, message_id=7))
    other = store.add_reply(a_reply("marzipan cake?", "Yes, marzipan.", asker=CAROL, asker_id=CAROL, message_id=8))
    assert store.forget(ALICE).replies == (to_bob, to_carol, again)
    assert [store.reply(number).text for number in (to_bob, to_carol, again)] == [REDACTED, REDACTED, "Nothing at all."]
    assert [turn.content for turn in store.reply(again).turns] == [REDACTED, "what is?"]
    assert store.latest_review(to_bob).edited_text == REDACTED
    assert store.reply(other).text == "Yes, marzipan."
    assert not store.reply(other).redacted
    store.close()
    assert b"my code" not in db_path.read_bytes()


def test_what_was_said_before_a_person_was_forgotten_is_not_stored_again(store, db_path):
    """An answer was being written meanwhile, or reads their old messages as its context later."""
    store.forget(ALICE, before=100)
    late = store.add_reply(
        a_reply(turns=(Turn("user", "my secret", ALICE, 90),), text="my secret?", message_id=101, prompt_message_id=90)
    )
    shown = (Turn("user", "my secret", ALICE, 90), Turn("user", "what?", BOB, 102))
    to_bob = store.add_reply(a_reply(turns=shown, text="A secret.", asker_id=BOB, message_id=103))
    new = store.add_reply(a_reply(turns=(Turn("user", "hello again", ALICE, 104),), message_id=105))
    reply = store.reply(late)
    assert (reply.turns[-1].content, reply.text, reply.asker_id, reply.redacted) == (REDACTED, REDACTED, None, True)
    assert [turn.content for turn in store.reply(to_bob).turns] == [REDACTED, "what?"]
    assert (store.reply(to_bob).text, store.reply(to_bob).asker_id) == (REDACTED, BOB)
    assert not store.reply(new).redacted, "what is said afterwards is a new conversation"
    assert store.member_data(ALICE).conversations == 1
    with pytest.raises(ReplyRedacted):
        store.add_review(late, "approve", reviewer="mod")
    assert b"my secret" not in b"".join(one.read_bytes() for one in db_path.parent.glob("nightshift.db*"))


def test_a_withdrawn_answer_shown_later_is_not_stored_again(store):
    """The bot's message still stands on Discord, and somebody replies to it."""
    store.add_reply(a_reply("my secret", "Your secret?", message_id=50))
    store.forget(ALICE)
    shown = (Turn("assistant", "Your secret?", None, 50), Turn("user", "which one?", BOB, 51))
    reply = store.reply(store.add_reply(a_reply(turns=shown, text="I do not know.", asker_id=BOB)))
    assert [turn.content for turn in reply.turns] == [REDACTED, "which one?"]
    assert reply.redacted
