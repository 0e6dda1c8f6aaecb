"""From what was said on Discord to what a run learns from: nobody's words without their leave."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from storage.origins import ORIGINS
from storage.reply_records import NewReply, Turn
from storage.review_errors import ReplyRedacted
from storage.store import Store
from trainer.snapshot.snapshot import Snapshot, take_snapshot

ALICE, BOB, CAROL = 101, 102, 103


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "nightshift.db") as opened:
        yield opened


def said(store: Store, *turns: Turn, asker: int, text: str = "Aye.", **fields: int) -> int:
    """An approved reply on Discord to `asker`, who was shown to the model after the other turns."""
    reply_id = store.add_reply(
        NewReply(
            source="discord",
            conversation=f"discord:7:{turns[0].message_id}",
            turns=turns,
            text=text,
            adapter=None,
            base_model="embedded",
            asker_id=asker,
            **fields,
        )
    )
    store.add_review(reply_id, "approve", reviewer="mod")
    return reply_id


def snapshot(store: Store) -> Snapshot:
    return take_snapshot(store.eligible_pairs("members", learn_from=ORIGINS), 0.15)


def words(store: Store) -> str:
    """Every word of a snapshot, of the training part and of the hold-out."""
    taken = snapshot(store)
    pairs = (*taken.train, *taken.holdout)
    return "\n".join([turn.content for pair in pairs for turn in pair.turns] + [pair.completion for pair in pairs])


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_words_without_consent_are_in_no_snapshot_wherever_they_stand(store, place):
    """First, in the middle, before the question or as the question of a conversation of several."""
    people = [BOB, CAROL, BOB, CAROL]
    people[place] = ALICE
    said(store, Turn("user", "what?", BOB, 19), asker=BOB, text="between", message_id=20)
    store.add_review(1, "reject", reviewer="mod")
    turns = [Turn("user", f"{person} says {n}", person, 10 + n) for n, person in enumerate(people)]
    turns.insert(2, Turn("assistant", "between", None, 20))
    said(store, *turns, asker=people[-1])
    store.set_consent(BOB, opted_in=True)
    store.set_consent(CAROL, opted_in=True)
    assert words(store) == ""
    store.set_consent(ALICE, opted_in=True)
    assert "101 says" in words(store)


def test_every_mixture_of_consents(store):
    """A conversation is learned from if all in it opted in, and in no other case."""
    people = (ALICE, BOB, CAROL)
    said(store, Turn("user", "a", ALICE, 1), Turn("user", "b", BOB, 2), Turn("user", "c", CAROL, 3), asker=CAROL)
    for choices in product([False, True], repeat=3):
        for person, choice in zip(people, choices, strict=True):
            store.set_consent(person, opted_in=choice)
        assert len(snapshot(store)) == all(choices)


def test_an_asker_whose_words_gave_way_must_consent_too(store):
    """A long conversation lost its first messages to the context's limit; who asked still counts."""
    said(store, Turn("user", "bob words", BOB, 2), asker=ALICE)
    store.set_consent(BOB, opted_in=True)
    assert len(snapshot(store)) == 0


def test_the_answer_to_somebody_quoted_in_a_chain_of_replies_needs_their_consent(store):
    """Carol replies to what the bot told Alice; the bot may have repeated Alice's words."""
    said(store, Turn("user", "my secret", ALICE, 1), asker=ALICE, text="You said: my secret", message_id=2)
    chain = (Turn("assistant", "You said: my secret", None, 2), Turn("user", "what was that?", CAROL, 3))
    said(store, *chain, asker=CAROL)
    store.set_consent(CAROL, opted_in=True)
    assert words(store) == ""
    store.set_consent(ALICE, opted_in=True)
    assert words(store).count("my secret") == 3


def test_answers_to_several_people_need_the_consent_of_each(store):
    """Two answers stand next to each other where two people asked at once."""
    said(store, Turn("user", "a", ALICE, 1), asker=ALICE, text="to alice", message_id=4)
    said(store, Turn("user", "b", BOB, 2), asker=BOB, text="to bob", message_id=5)
    shown = (Turn("assistant", "to bob", None, 5), Turn("assistant", "to alice", None, 4), Turn("user", "c", CAROL, 6))
    said(store, *shown, asker=CAROL)
    for person in (CAROL, BOB):
        store.set_consent(person, opted_in=True)
    assert "to alice" not in words(store)
    store.set_consent(ALICE, opted_in=True)
    assert words(store).count("to alice") == 2


def test_opting_out_later_takes_the_words_out_of_the_next_snapshot(store):
    """In every conversation they are in, and those of others stay."""
    said(store, Turn("user", "alice words", ALICE, 1), asker=ALICE)
    said(store, Turn("user", "alice words", ALICE, 1), Turn("user", "bob words", BOB, 2), asker=BOB)
    said(store, Turn("user", "bob alone", BOB, 3), asker=BOB)
    for person in (ALICE, BOB):
        store.set_consent(person, opted_in=True)
    assert len(snapshot(store)) == 3
    store.set_consent(ALICE, opted_in=False)
    assert "alice" not in words(store)
    assert "bob alone" in words(store)


def test_a_moderators_edit_does_not_stand_in_for_the_askers_consent(store):
    """The prompt is still theirs."""
    reply_id = said(store, Turn("user", "alice words", ALICE, 1), asker=ALICE)
    store.add_review(reply_id, "edit", reviewer="mod", edited_text="Kinder.")
    assert words(store) == ""


def test_forgotten_and_deleted_words_are_in_no_snapshot_whatever_the_rule(store):
    """Not even where an operator takes every approved reply."""
    said(store, Turn("user", "alice words", ALICE, 1), asker=ALICE)
    said(store, Turn("user", "bob words", BOB, 2), asker=BOB, prompt_message_id=2)
    store.forget(ALICE)
    store.redact_messages([2])
    assert len(take_snapshot(store.eligible_pairs("operator", learn_from=ORIGINS), 0.15)) == 0


def learned(store: Store) -> str:
    """The words of a snapshot when everybody opted in."""
    for person in (ALICE, BOB, CAROL):
        store.set_consent(person, opted_in=True)
    return words(store)


def quoting(store: Store, message: int) -> int:
    """Carol replies to a message of the bot's, and the answer is approved."""
    return said(
        store, Turn("assistant", "You said: secret", None, message), Turn("user", "What?", CAROL, 90), asker=CAROL
    )


def test_an_answer_to_somebody_forgotten_since_is_not_traced_by_a_later_conversation(store):
    """Their words may stand in it, and they are not there to be asked."""
    said(store, Turn("user", "secret", ALICE, 1), asker=ALICE, text="You said: secret", message_id=2)
    store.forget(ALICE)
    with pytest.raises(ReplyRedacted):  # it is stored without the words
        quoting(store, 2)
    assert "secret" not in learned(store)


def test_the_second_message_of_a_long_answer_asks_whom_it_answered(store):
    """All messages of an answer are known, also those that came when it was gone on with."""
    turns = (Turn("user", "secret", ALICE, 1),)
    reply = NewReply(
        source="discord",
        conversation="discord:7:1",
        turns=turns,
        text="You said:",
        adapter=None,
        base_model="embedded",
        message_id=2,
        asker_id=ALICE,
    )
    number = store.add_reply(reply, shown_in=[2, 3])
    store.extend_reply(
        number, "You said: secret", finish_reason="stop", confidence=None, adapter=None, shown_in=[2, 3, 4]
    )
    for message in (3, 4):
        quoting(store, message)
    for person in (BOB, CAROL):
        store.set_consent(person, opted_in=True)
    assert words(store) == ""
    assert "You said: secret" in learned(store)
    assert len(list(store.eligible_pairs("members", learn_from=ORIGINS))) == 2
    store.forget(ALICE)
    assert "secret" not in learned(store)


def test_a_deleted_question_takes_every_message_of_its_answer_with_it(store):
    """Also where the second one was shown."""
    turns = (Turn("user", "question", BOB, 1),)
    reply = NewReply(
        source="discord",
        conversation="discord:7:1",
        turns=turns,
        text="part one, You said: secret",
        adapter=None,
        base_model="embedded",
        message_id=2,
        asker_id=BOB,
        prompt_message_id=1,
    )
    store.add_review(store.add_reply(reply, shown_in=[2, 3]), "approve", reviewer="mod")
    quoting(store, 3)
    assert "secret" in learned(store)
    store.redact_messages([1])
    assert "secret" not in learned(store)
    assert "secret" not in store.reply(2).turns[0].content


def test_answers_let_go_in_time_and_those_of_an_earlier_home_are_not_traced(store):
    """Nothing says whom they answered."""
    said(store, Turn("user", "secret", ALICE, 1), asker=ALICE, text="You said: secret", message_id=2)
    store.add_review(1, "undo", reviewer="mod")
    assert store.purge("9999").deleted == 1
    quoting(store, 2)
    quoting(store, 77)
    said(store, Turn("assistant", "You said: secret"), Turn("user", "What?", CAROL, 91), asker=CAROL)
    assert "secret" not in learned(store)
