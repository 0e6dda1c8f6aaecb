"""The recall index: what is found by words, what may be shown, and that nothing of it outlives its reply."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storage.document_errors import DocumentEmpty, DocumentNotFound, DocumentTooLong, KnowledgeFull
from storage.files.speaker_labels import labelled
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.recall_entries import question_of
from storage.recall_records import KnowledgeLimits, NewChunk, NewDocument, Recalled
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import ALICE, BOB, a_reply

HERE, ELSEWHERE = 1, 2
RULES = NewDocument(guild_id=HERE, title="Rules", kind="file", added_by="mo")
VECTOR = b"one vector of unit length, as bytes"


def approved(store, question="When does the raid begin?", text="At eight.", *, asker=ALICE, **changes):
    """An approved reply whose asker has opted in."""
    store.set_consent(asker, True)
    turns = (Turn("user", question, asker, changes.pop("message", 70)),)
    made = {"turns": turns, "guild_id": HERE, "channel_id": 7, "asker": asker} | changes
    number = store.add_reply(a_reply(question, text, **made))
    store.add_review(number, "approve", reviewer="mo")
    store.index_due()
    return number


def found(store, question="raid begins", guild=HERE):
    """The replies that a question finds on a server."""
    entries = store.matching_entries([guild, 0], question, documents=False, limit=10)
    return [one.reply_id for one in store.found_examples(guild, entries, "members", servers=[HERE])]


def chunks(store, question, guild=HERE):
    entries = store.matching_entries([guild], question, documents=True, limit=10)
    return [one.text for one in store.found_chunks(guild, entries)]


def files(path):
    return b"".join(one.read_bytes() for one in path.parent.iterdir() if one.is_file())


def test_an_approved_reply_is_found_by_other_forms_of_its_words(store):
    """Word forms of English and German count as the same."""
    number = approved(store, "Wann beginnt der Versand?")
    assert found(store, "Versandkosten") == found(store, "beginnen") == [number]
    assert found(store, "der Urlaub") == []


def test_a_question_among_several_people_is_found_without_its_speaker(store):
    """The label says who asked, and how a further line is set apart; the longest one has a number, too."""
    for label in ("Ada", f"{'A' * 32} (99)"):
        said = (Turn("user", "Bob: Hello.", BOB, 1), Turn("user", labelled(label, "When?\nThe raid: at?"), ALICE, 2))
        assert question_of(said) == "When?\nThe raid: at?"
        assert question_of(said[1:]) == said[1].content


def test_another_server_finds_nothing_of_it(store):
    """Though its entry is asked for by number."""
    approved(store)
    assert found(store, guild=ELSEWHERE) == []
    assert store.found_examples(ELSEWHERE, [1], "members") == []


@pytest.mark.parametrize("verdict", ["undo", "reject"])
def test_a_verdict_that_ends_the_approval_ends_the_entry(store, verdict):
    """In the same transaction."""
    number = approved(store)
    store.add_review(number, verdict, reviewer="mo")
    assert store.matching_entries([HERE], "raid begins", documents=False, limit=10) == []


def test_a_direct_message_is_never_indexed(store):
    """It belongs to no server."""
    approved(store, guild_id=None)
    assert not store.recall_is_due(vectors=True)
    assert found(store) == []


def test_imports_of_the_operator_are_found_where_the_bot_learns(store):
    """They belong to no server."""
    store.import_pairs([NewPair((Turn("user", "When does the raid begin?"),), "At eight.")], "ann")
    store.index_due()
    assert len(found(store)) == 1
    assert found(store, guild=ELSEWHERE) == []


def test_an_entry_waits_for_its_vector_until_it_has_one(store):
    """A new model makes all vectors again."""
    approved(store)
    store.use_recall_model("a")
    ((entry, text),) = store.unembedded(5)
    store.put_vectors("a", [(entry, VECTOR)])
    assert text == "When does the raid begin?"
    assert store.vectors([entry]) == [(entry, VECTOR)]
    assert not store.recall_is_due(vectors=True)
    store.use_recall_model("b")
    store.put_vectors("a", [(entry, VECTOR)])  # a process that has not noticed
    assert store.vectors([entry]) == []
    assert store.recall_is_due(vectors=True)


def test_a_version_grows_with_each_change_of_a_server_s_vectors(store):
    """So what holds them in memory looks again, and at no other server's."""
    number = approved(store)
    store.use_recall_model("a")
    store.put_vectors("a", [(store.unembedded(1)[0][0], VECTOR)])
    first = store.vectors_version(HERE, documents=False)
    store.add_review(number, "undo", reviewer="mo")
    assert 0 < first < store.vectors_version(HERE, documents=False)
    assert store.vectors_version(ELSEWHERE, documents=False) == store.vectors_version(HERE, documents=True) == 0


@pytest.mark.parametrize("how", ["forget", "delete", "undone first"])
def test_no_byte_of_words_or_vector_is_left(db_path, how):
    """Neither in the table nor in the full-text index, whose deletions are only marks until its parts are merged."""
    with Store.open(db_path) as store:
        for number in range(30):
            approved(store, f"When does raid {number} begin?", asker=BOB, message=1000 + number)
        number = approved(store, "When does the zq12345x raid begin?", message=70)
        store.use_recall_model("a")
        store.put_vectors(
            "a", [(entry, VECTOR if "zq12345x" in text else b"x") for entry, text in store.unembedded(99)]
        )
        if how == "undone first":
            store.add_review(number, "undo", reviewer="mo")
        if how == "delete":
            store.redact_messages([70])
        else:
            store.forget(ALICE)
    assert b"zq12345x" not in files(db_path)
    assert VECTOR not in files(db_path)


def test_a_document_is_found_on_its_server_alone(store):
    """With heading and title."""
    number = store.add_document(RULES, [NewChunk("No spoilers before Sunday.", "Spoilers")])
    (entry,) = store.matching_entries([HERE], "spoilers", documents=True, limit=5)
    (chunk,) = store.found_chunks(HERE, [entry])
    assert (chunk.document_id, chunk.title, chunk.heading) == (number, "Rules", "Spoilers")
    assert chunks(store, "spoilers", ELSEWHERE) == store.found_chunks(ELSEWHERE, [entry]) == []


def test_a_removed_document_leaves_no_byte(db_path):
    """Nor does what stood in it before it was replaced."""
    with Store.open(db_path) as store:
        number = store.add_document(RULES, [NewChunk("The password is swordfish.")])
        store.replace_document(HERE, number, [NewChunk("The password is angelfish.")])
        assert chunks(store, "password") == ["The password is angelfish."]
        assert b"swordfish" not in files(db_path)
        store.remove_document(HERE, number)
    assert b"angelfish" not in files(db_path)


def test_a_document_of_another_server_cannot_be_touched(store):
    """Its number says nothing there."""
    number = store.add_document(RULES, [NewChunk("No spoilers.")])
    for act in (store.document, store.remove_document):
        with pytest.raises(DocumentNotFound):
            act(ELSEWHERE, number)


def test_what_is_too_much_is_refused_and_nothing_is_kept(store):
    """Each limit with its sentence."""
    limits = KnowledgeLimits(documents=1, characters=30, document_characters=20)
    with pytest.raises(DocumentEmpty):
        store.add_document(RULES, [NewChunk("  ")], limits)
    with pytest.raises(DocumentTooLong):
        store.add_document(RULES, [NewChunk("x" * 21)], limits)
    store.add_document(RULES, [NewChunk("x" * 20)], limits)
    with pytest.raises(KnowledgeFull):
        store.add_document(RULES, [NewChunk("x")], limits)
    assert len(store.documents(HERE)) == 1


def test_a_chunk_goes_with_the_message_it_came_from(db_path):
    """Deleted on Discord, or its author forgotten; the rest of the document stays."""
    with Store.open(db_path) as store:
        pins = NewDocument(guild_id=HERE, title="Pins", kind="pins", added_by="mo")
        parts = [NewChunk(f"Fact zq0000{n}x.", "", n, author) for n, author in ((1, ALICE), (2, BOB), (3, BOB))]
        store.add_document(pins, parts)
        store.redact_messages([1])
        assert sorted(chunks(store, "fact")) == ["Fact zq00002x.", "Fact zq00003x."]
        store.forget(BOB)
        assert store.documents(HERE) == []
    assert b"zq0000" not in files(db_path)


def a_fact(text, message, author=None):
    """What *Save as fact* stores of a message; the bot's own has no author."""
    fact = NewDocument(guild_id=HERE, title=text[:20], kind="fact", added_by="mo", message_id=message, channel_id=7)
    return fact, [NewChunk(text, "", message, author)]


@pytest.mark.parametrize("how", ["forget", "delete the question", "delete the answer", "forget after retention"])
def test_a_fact_made_of_an_answer_goes_with_the_words_it_may_quote(db_path, how):
    """With what was answered from it; also where the answer's own row is gone before."""
    with Store.open(db_path) as store:
        quoting = a_reply("My code is zq12345x.", "Your code is zq12345x.", message_id=900, prompt_message_id=899)
        store.add_reply(quoting)
        store.add_document(*a_fact("Alice's code is zq12345x.", 900))
        (entry,) = store.matching_entries([HERE], "code", documents=True, limit=5)
        asked = a_reply("Her code?", "It is zq12345x.", asker=BOB, message_id=902, prompt_message_id=901)
        repeating = store.add_reply(asked, recall=[Recalled(0.9, 10, entry_id=entry)])
        store.add_review(repeating, "approve", reviewer="mo")
        if how == "forget after retention":
            assert store.purge("2999").deleted == 1
        if how.startswith("forget"):
            store.forget(ALICE)
        else:
            store.redact_messages([899 if how == "delete the question" else 900])
        assert store.documents(HERE) == []
        assert store.reply(repeating).redacted
    assert how == "delete the answer" or b"zq12345x" not in files(db_path)  # there the question is still on Discord
    assert not how.startswith("forget") or str(ALICE).encode() not in files(db_path)


def test_a_fact_goes_with_the_channel_or_thread_that_it_was_said_in(store):
    """Nobody could read it any more, and its words stay nowhere."""
    store.add_thread(70, 7)
    for message, place in ((5, 7), (6, 70), (8, 9)):
        fact, parts = a_fact(f"Fact {message}.", message, BOB)
        store.add_document(replace(fact, channel_id=place), parts)
    assert sorted(store.messages_in(7)) == [5, 6]
    store.redact_messages(store.messages_in(7))
    assert [one.message_id for one in store.documents(HERE)] == [8]


def test_the_heading_of_a_deleted_chunk_is_not_repeated_either(store):
    """It is the author's words, and is shown with the chunk."""
    store.add_document(RULES, [NewChunk("Ask Bob.", "The code is zq12345x", 5, BOB)])
    (entry,) = store.matching_entries([HERE], "code", documents=True, limit=5)
    answer = a_reply("The code?", "It is zq12345x.", message_id=11)
    telling = store.add_reply(answer, recall=[Recalled(0.9, 10, entry_id=entry)])
    assert store.redact_messages([5]) == [telling]


def test_words_of_a_forgotten_person_do_not_come_back_as_a_document(db_path):
    """Their messages may still be pinned; what they write from now on may be added."""
    with Store.open(db_path) as store:
        store.forget(ALICE, before=100)
        with pytest.raises(DocumentEmpty):
            store.add_document(*a_fact("The code is zq12345x.", 50, ALICE))
        pins = NewDocument(guild_id=HERE, title="#rules", kind="pins", added_by="mo", channel_id=7)
        parts = [NewChunk(f"Fact zq0000{n}x.", "", n, author) for n, author in ((50, ALICE), (51, BOB), (101, ALICE))]
        number = store.add_document(pins, parts)
        store.replace_document(HERE, number, parts)
        assert sorted(chunks(store, "fact")) == ["Fact zq0000101x.", "Fact zq000051x."]
    assert b"zq12345x" not in files(db_path)
    assert b"zq000050x" not in files(db_path)


def test_a_withdrawn_answer_does_not_come_back_as_a_document(store):
    """It may still be read on Discord when a moderator saves it."""
    store.add_reply(a_reply(message_id=900, prompt_message_id=899))
    store.redact_messages([899])
    with pytest.raises(DocumentEmpty):
        store.add_document(*a_fact("Second shelf.", 900))


def test_an_answer_that_repeats_a_deleted_chunk_goes_with_it(store):
    """What it was shown is known by number."""
    store.add_document(RULES, [NewChunk("The code is zq12345x.", "", 5, BOB)])
    (entry,) = store.matching_entries([HERE], "code", documents=True, limit=5)
    shown = [Recalled(0.9, 10, entry_id=entry)]
    telling = store.add_reply(a_reply("The code?", "It is zq12345x.", message_id=11), recall=shown)
    store.add_reply(a_reply("The code?", "Ask Bob.", message_id=12), recall=shown)
    assert store.redact_messages([5]) == [telling]


def test_who_was_shown_as_an_example_is_asked_for_consent(store):
    """The answer may quote them."""
    example = approved(store)
    store.set_consent(BOB, True)
    number = store.add_reply(
        a_reply("Raid?", "At eight.", asker=BOB, guild_id=HERE, message_id=12),
        recall=[Recalled(0.9, 10, example_id=example)],
    )
    store.add_review(number, "approve", reviewer="mo")
    assert [pair.reply_id for pair in store.eligible_pairs("members", servers=[HERE], learn_from=ORIGINS)] == [
        example,
        number,
    ]
    store.set_consent(ALICE, False)
    assert list(store.eligible_pairs("members", servers=[HERE], learn_from=ORIGINS)) == []


def test_an_answer_after_an_example_that_was_forgotten_meanwhile_is_not_kept(db_path):
    """It may repeat words that nobody can look for any more."""
    with Store.open(db_path) as store:
        example = approved(store, "When does the zq12345x raid begin?")
        store.forget(ALICE, before=1000)
        answer = a_reply("Raid?", "The zq12345x raid?", asker=BOB, guild_id=HERE, message_id=12)
        late = store.add_reply(answer, recall=[Recalled(0.9, 10, example_id=example)])
        assert store.reply(late).redacted
    assert b"zq12345x" not in files(db_path)


def test_words_from_messages_keep_their_origin_in_an_answer(store):
    """A question by command whose answer may quote a message is not learned from where messages are not."""
    example = approved(store)
    for shown in ([], [Recalled(0.9, 10, example_id=example)]):
        asked = a_reply("Raid?", "At eight.", guild_id=HERE, turns=(Turn("user", "Raid?", ALICE, 5, origin="command"),))
        number = store.add_reply(asked, recall=shown)
        store.add_review(number, "approve", reviewer="mo")
        learned = [
            one.reply_id for one in store.eligible_pairs("members", servers=[HERE], learn_from=["command", "bot"])
        ]
        assert (number in learned) == (not shown)


def learned(store, *origins):
    return [one.reply_id for one in store.eligible_pairs("members", servers=[HERE], learn_from=origins)]


def answered_with(store, *recall):
    """An approved answer to Bob, who has agreed, with these shown."""
    store.set_consent(BOB, True)
    asked = a_reply("Raid?", "At eight.", asker=BOB, guild_id=HERE, turns=(Turn("user", "Raid?", BOB, 5, "command"),))
    number = store.add_reply(asked, recall=recall)
    store.add_review(number, "approve", reviewer="mo")
    return number


def test_an_example_of_people_nobody_knows_is_not_learned_from_under_another_name(store):
    """Where the operator speaks for everybody it may be shown; consent of its people still cannot be asked."""
    unknown = (Turn("user", "When does the raid begin?", None, 3, "command"), Turn("user", "Well?", ALICE, 4))
    example = approved(store, turns=unknown)
    assert answered_with(store) in learned(store, "command", "bot")
    assert answered_with(store, Recalled(0.9, 10, example_id=example)) not in learned(
        store, "command", "bot", "message"
    )


def test_who_was_answered_in_a_fact_is_asked_for_consent(store):
    """A fact made of the bot's answer to Alice may quote her. Where nobody knows whom it answered, nobody can be."""
    store.add_reply(a_reply("My code is 5.", "Your code is 5.", message_id=900))
    everything = ("command", "bot", "message")
    for message, known in ((900, True), (990, False)):
        number = store.add_document(*a_fact("The code is 5.", message))
        (entry,) = store.matching_entries([HERE], "code", documents=True, limit=5)
        shown = answered_with(store, Recalled(0.9, 10, entry_id=entry))
        assert shown not in learned(store, *everything)
        store.set_consent(ALICE, True)
        assert (shown in learned(store, *everything)) == known
        assert shown not in learned(store, "command", "message")  # the fact is the bot's own words
        store.set_consent(ALICE, False)
        store.remove_document(HERE, number)


def test_an_example_s_answer_is_the_bot_s_words(store):
    """An answer that a moderator corrected is learned from without the bot's words; not if it was shown one of them."""
    turns = (Turn("user", "When does the raid begin?", ALICE, 3, "command"),)
    examples = [approved(store, turns=turns), store.add_reply(a_reply(turns=turns, guild_id=HERE))]
    store.add_review(examples[1], "edit", reviewer="mo", edited_text="At nine.")
    for example, is_learned in zip(examples, (False, True), strict=True):
        number = answered_with(store, Recalled(0.9, 10, example_id=example))
        store.add_review(number, "edit", reviewer="mo", edited_text="At ten.")
        assert (number in learned(store, "command", "moderator")) == is_learned
