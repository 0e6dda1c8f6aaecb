"""Words said here: no file brings back what was said, deleted or forgotten on Discord."""

from __future__ import annotations

import json
import sqlite3

import pytest

from storage.files.pair_files import BadRow, read_pairs
from storage.origins import ORIGINS
from storage.pair_records import ImportCount, NewPair
from storage.reply_records import Turn
from storage.store import Store
from storage.text_variants import variants
from tests.storage.conftest import ALICE, BOB, a_reply

ADDRESS = "I live in Elm Street, number nine."
REFUSED = ImportCount(imported=0, duplicates=0, refused=1)


def pair(prompt, completion="A file's own answer.", *, before=()):
    return NewPair((*before, Turn("user", prompt)), completion)


def said(store, question=ADDRESS, text="Lovely street!", **fields):
    return store.add_reply(a_reply(question, text, message_id=50, prompt_message_id=40, **fields))


SPELLINGS = [
    ADDRESS,
    "I live in Elm Street, number nine!",
    "i LIVE in elm street number  nine",
    "\uff29 live in Elm\u00a0Street, number nine.",
    "I liv\u0065\u0301 in Elm Street \u2013 number\u200b nine\u2026",
    "Ada: I live in Elm Street, number nine.",
    "Hello there! I live in Elm Street, number nine. And you?",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("fate", ["stands", "undone", "deleted", "forgotten", "let go"])
def test_a_file_brings_nothing_back_however_it_is_spelled(store, spelling, fate):
    """As a prompt, in the conversation before it, or as the answer; by the operator or by a moderator."""
    number = said(store)
    if fate == "undone":
        store.add_review(number, "approve", reviewer="mod")
        store.add_review(number, "undo", reviewer="mod")
    elif fate == "deleted":
        store.redact_messages([40])
    elif fate == "forgotten":
        store.forget(ALICE)
    elif fate == "let go":
        assert store.purge("9999").deleted == 1
    before = (Turn("user", spelling), Turn("assistant", "Nice."))
    for words in (pair(spelling), pair("And now?", before=before), pair("Where?", spelling)):
        assert store.import_pairs([words], "operator") == REFUSED
        assert store.import_pairs([words], "Mo", guild_id=1, by=2) == REFUSED
    assert list(store.eligible_pairs("operator", learn_from=ORIGINS)) == []


def test_a_label_before_the_words_on_discord_is_no_disguise(store):
    """Where several people spoke, the stored turn carries the name of whoever said it."""
    said(store, f"Alice: {ADDRESS}")
    assert store.import_pairs([pair(ADDRESS)], "operator") == REFUSED


def test_what_the_bot_answered_is_known_too(store):
    """It may quote whom it answered; what anybody would say is nobody's."""
    said(store, text="You live in a lovely street.")
    store.add_reply(a_reply("Who?", "Yes."))
    assert store.import_pairs([pair("Where does she live?", "You live in a lovely street!")], "operator") == REFUSED
    assert store.import_pairs([pair("Is oak hard?", "Yes.")], "operator").imported == 1


def test_an_answer_that_grew_is_known_in_full(store):
    """As it was gone on with."""
    number = said(store, text="You live")
    store.extend_reply(number, "You live in a lovely street.", finish_reason="stop", confidence=None, adapter=None)
    assert store.import_pairs([pair("Where?", "You live in a lovely street")], "operator") == REFUSED


def test_a_file_that_came_first_stays_its_bringer_s(store):
    """The bot repeats what it learned and members ask what the file asks: the next version of the file is taken in."""
    store.import_pairs([pair("How do I sharpen a saw?", "With a file, tooth by tooth.")], "operator")
    said(store, "How do I sharpen a saw?", "With a file, tooth by tooth.")
    assert store.import_pairs([pair("How do I sharpen a saw?", "With a file, slowly.")], "operator").imported == 1
    assert store.import_pairs([pair("And a rip saw?", "With a file, tooth by tooth.")], "operator").imported == 1


def test_what_was_forgotten_is_nobody_s_to_bring(store):
    """Also where the same words were in a file before."""
    store.import_pairs([pair(ADDRESS)], "operator")
    said(store)
    store.forget(ALICE)
    assert store.import_pairs([pair(ADDRESS, "Another answer.")], "operator") == REFUSED


def test_an_edit_that_was_removed_is_known(store):
    """A moderator's words are theirs until they go with the question they answered."""
    number = said(store)
    store.add_review(number, "edit", reviewer="mod", edited_text="Elm Street, how fine a place!")
    store.forget(ALICE)
    assert store.import_pairs([pair("Which street?", "Elm Street, how fine a place.")], "operator") == REFUSED


def test_words_that_an_earlier_version_stored_are_known_from_the_first_start(db_path):
    """Theirs get hashes when the database is opened."""
    with Store.open(db_path) as store:
        said(store)
        store.import_pairs([pair("A question of the file?", "Its long and own answer.")], "operator")
    connection = sqlite3.connect(db_path)
    connection.executescript("delete from said_words; update said_words_key set complete = 0")
    connection.close()
    with Store.open(db_path) as store:
        assert store.import_pairs([pair(ADDRESS)], "operator") == REFUSED
        assert store.import_pairs([pair("Once more?", "Its long and own answer!")], "operator").imported == 1


def test_no_word_is_kept_and_none_can_be_tried_without_the_key(store, db_path):
    """Two homes have different hashes for the same words."""
    said(store)
    ours = {row[0] for row in store._db.execute("select hash from said_words")}
    with Store.open(db_path.with_name("other.db")) as other:
        said(other)
        theirs = {row[0] for row in other._db.execute("select hash from said_words")}
    assert ours
    assert not ours & theirs


def test_imported_turns_can_name_their_authors_who_are_asked(store, tmp_path):
    """Consent and forgetting reach them as they do what was said on Discord."""
    rows = [
        {"messages": [{"role": "user", "content": "Is oak hard?", "author_id": str(ALICE)}, _answer("Aye.")]},
        {"messages": [{"role": "user", "content": "Is ash hard?", "author_id": BOB}, _answer("Aye.")]},
        {"messages": [{"role": "user", "content": "Is elm hard?", "author_id": "Bob"}, _answer("Aye.")]},
        {"prompt": "Is yew hard?", "reply": "Aye.", "author_id": ALICE},
    ]
    path = tmp_path / "voice.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    taken = list(read_pairs(path))
    assert [isinstance(one, BadRow) for one in taken] == [False, False, True, False]
    store.import_pairs([one for one in taken if isinstance(one, NewPair)], "operator")
    assert list(store.eligible_pairs("members", learn_from=ORIGINS)) == []
    store.set_consent(ALICE, opted_in=True)
    assert [one.authors for one in store.eligible_pairs("members", learn_from=ORIGINS)] == [(ALICE,), (ALICE,)]
    store.set_consent(BOB, opted_in=True)
    assert len(list(store.eligible_pairs("members", learn_from=ORIGINS))) == 3
    store.forget(ALICE)
    assert [one.turns[-1].content for one in store.eligible_pairs("operator", learn_from=ORIGINS)] == ["Is ash hard?"]


def test_a_table_names_the_authors_of_its_prompts_in_a_column(store, tmp_path):
    """An empty cell is the operator's own."""
    path = tmp_path / "voice.csv"
    path.write_text(f"prompt,reply,Author ID\nIs oak hard?,Aye.,{ALICE}\nIs ash hard?,Aye.,\nIs elm hard?,Aye.,Bob\n")
    taken = list(read_pairs(path))
    assert [isinstance(one, BadRow) for one in taken] == [False, False, True]
    store.import_pairs([one for one in taken if isinstance(one, NewPair)], "operator")
    assert [one.turns[-1].content for one in store.eligible_pairs("members", learn_from=ORIGINS)] == ["Is ash hard?"]


def _answer(text):
    return {"role": "assistant", "content": text}


def test_wordings_of_signs_alone_are_the_signs():
    """A message need not have letters to be somebody's."""
    assert variants("\u2764 \u2764") == {"\u2764\u2764"}
    assert variants("  ") == set()
    assert variants("Yes.", by_bot=True) == set()
