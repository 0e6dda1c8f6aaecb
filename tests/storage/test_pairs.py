"""Pairs: derived from the latest verdicts, with everybody's consent; imported once each."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest

from storage.origins import ORIGINS
from storage.pair_records import ImportCount, NewPair, PairCounts
from storage.pairs import _PAIRS, CONSENTED
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import ALICE, BOB, CAROL, a_reply


def approve(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.add_review(number, "approve", reviewer="mod")


def test_an_approved_reply_is_a_pair_with_its_own_words(store):
    """Prompt, completion, who approved it and when."""
    reply_id = store.add_reply(a_reply(adapter=None))
    review = store.add_review(reply_id, "approve", reviewer="ann")
    (pair,) = store.pairs()
    assert (pair.reply_id, pair.completion, pair.edited, pair.reviewer) == (reply_id, "Second shelf.", False, "ann")
    assert pair.approved_at == review.created_at
    assert pair.turns == store.reply(reply_id).turns
    assert pair.authors == (ALICE,)


def test_an_edited_reply_is_a_pair_with_the_moderators_words(store):
    """The model learns what it should have said."""
    reply_id = store.add_reply(a_reply())
    store.add_review(reply_id, "edit", reviewer="ann", edited_text="Second shelf, love.")
    (pair,) = store.pairs()
    assert (pair.completion, pair.edited) == ("Second shelf, love.", True)


def test_only_the_latest_verdict_decides(store):
    """Approved then rejected is no pair; rejected then approved is; an edit then approved gives the original."""
    out, back, plain = (store.add_reply(a_reply(f"q{n}")) for n in range(3))
    approve(store, out)
    store.add_review(out, "reject", reviewer="mod")
    store.add_review(back, "reject", reviewer="mod")
    approve(store, back)
    store.add_review(plain, "edit", reviewer="mod", edited_text="edited")
    approve(store, plain)
    assert [(pair.reply_id, pair.completion) for pair in store.pairs()] == [
        (back, "Second shelf."),
        (plain, "Second shelf."),
    ]


def test_counts_say_where_each_reply_stands(store):
    """Pending, approved (with edits), rejected, and how many may be trained on."""
    numbers = [store.add_reply(a_reply(f"q{n}")) for n in range(5)]
    approve(store, numbers[0])
    store.add_review(numbers[1], "edit", reviewer="mod", edited_text="x")
    store.add_review(numbers[2], "reject", reviewer="mod")
    assert store.counts("members", learn_from=ORIGINS) == PairCounts(pending=2, approved=2, rejected=1, eligible=0)
    assert store.counts("operator", learn_from=ORIGINS) == PairCounts(pending=2, approved=2, rejected=1, eligible=2)


def test_counts_of_an_empty_store_are_zero(store):
    """A first start has nothing to count."""
    assert store.counts(learn_from=ORIGINS) == PairCounts(0, 0, 0, 0)


def test_everybody_in_a_conversation_must_have_opted_in(store):
    """The asker and each person whose words stand anywhere in the turns; opting out counts at once."""
    store.add_reply(a_reply("a", "b", message_id=70))
    turns = (Turn("user", "a", ALICE), Turn("assistant", "b", None, 70), Turn("user", "c", BOB))
    approve(store, store.add_reply(a_reply(turns=turns, asker_id=CAROL)))
    for person in (ALICE, BOB, CAROL):
        assert list(store.eligible_pairs("members", learn_from=ORIGINS)) == []
        store.set_consent(person, opted_in=True)
    assert [pair.authors for pair in store.eligible_pairs("members", learn_from=ORIGINS)] == [(ALICE, BOB, CAROL)]
    store.set_consent(BOB, opted_in=False)
    assert list(store.eligible_pairs("members", learn_from=ORIGINS)) == []
    assert len(list(store.eligible_pairs("operator", learn_from=ORIGINS))) == 1


def test_words_without_a_known_author_are_never_eligible_for_members(store):
    """There is nobody whose consent could be had."""
    turns = (Turn("user", "from a webhook"), Turn("user", "hello", ALICE))
    approve(store, store.add_reply(a_reply(turns=turns)))
    store.set_consent(ALICE, opted_in=True)
    assert list(store.eligible_pairs("members", learn_from=ORIGINS)) == []
    assert len(list(store.eligible_pairs("operator", learn_from=ORIGINS))) == 1


def test_the_operators_own_material_needs_nobodys_consent(store):
    """Imports and what was said in the terminal."""
    store.import_pairs([NewPair((Turn("user", "hi"),), "hello")], "operator")
    approve(store, store.add_reply(a_reply(source="chat", turns=(Turn("user", "hi"),), asker_id=None)))
    assert [pair.source for pair in store.eligible_pairs("members", learn_from=ORIGINS)] == ["import", "chat"]


def test_redacted_replies_are_not_eligible_even_for_an_operator(store):
    """What was forgotten is gone, whatever the setting."""
    approve(store, store.add_reply(a_reply()))
    store.forget(ALICE)
    assert list(store.eligible_pairs("operator", learn_from=ORIGINS)) == []
    assert store.counts("operator", learn_from=ORIGINS) == PairCounts(0, 0, 0, 0)


def test_an_unknown_consent_rule_is_refused(store):
    """A typing error must not widen what is trained on."""
    with pytest.raises(ValueError, match="'members' or 'operator'"):
        list(store.eligible_pairs("everybody", learn_from=ORIGINS))


def test_imports_are_counted_once(store):
    """Again, or twice in one file, or differing in white space only: a duplicate."""
    rows = [NewPair((Turn("user", f"question {n}"),), f"answer {n}") for n in range(3)]
    first = store.import_pairs([*rows, rows[0], NewPair((Turn("user", " question  1\n"),), "answer 1 ")], "ann")
    assert (first.imported, first.duplicates) == (3, 2)
    again = store.import_pairs(rows, "ann")
    assert (again.imported, again.duplicates) == (0, 3)
    assert [pair.completion for pair in store.pairs()] == ["answer 0", "answer 1", "answer 2"]
    assert {pair.reviewer for pair in store.pairs()} == {"ann"}


def test_an_export_imported_again_adds_nothing(store):
    """Approved and edited replies are known by the words their pair has; a rejected one's were said here, too."""
    plain, edited, rejected = (store.add_reply(a_reply(f"q{n}")) for n in range(3))
    approve(store, plain)
    store.add_review(edited, "edit", reviewer="mod", edited_text="better")
    exported = [NewPair(pair.turns, pair.completion) for pair in store.pairs()]
    assert store.import_pairs(exported, "ann").duplicates == 2
    store.add_review(rejected, "reject", reviewer="mod")
    as_rejected = NewPair(store.reply(rejected).turns, "Second shelf.")
    assert store.import_pairs([as_rejected], "ann") == ImportCount(imported=0, duplicates=0, refused=1)


def test_a_removed_import_stays_removed(store):
    """Rejecting an imported pair is not undone by importing the file again."""
    row = NewPair((Turn("user", "hi"),), "go away")
    store.import_pairs([row], "ann")
    store.add_review(1, "reject", reviewer="mod")
    assert store.import_pairs([row], "ann").duplicates == 1
    assert list(store.pairs()) == []


def test_imports_of_one_question_share_a_conversation(store):
    """The hold-out takes whole conversations, so answers to one question never stand on both sides."""
    questions = ["Hello  there", "hello there", "Something else"]
    store.import_pairs([NewPair((Turn("user", text),), f"answer {n}") for n, text in enumerate(questions)], "ann")
    first, second, third = (pair.conversation for pair in store.pairs())
    assert first == second != third
    assert first.startswith("import:")
    assert len(first) == len("import:") + 16


def test_an_import_that_fails_half_way_leaves_nothing(store):
    """One transaction: the file can be imported again after mending it."""

    def rows():
        yield NewPair((Turn("user", "one"),), "1")
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        store.import_pairs(rows(), "ann")
    assert list(store.pairs()) == []
    assert store.import_pairs([NewPair((Turn("user", "one"),), "1")], "ann").imported == 1


def test_pairs_stream_in_order_without_being_held_in_memory(store):
    """The first pair of ten thousand costs as little as the first of ten."""
    store.import_pairs((NewPair((Turn("user", f"question {n} " + "x" * 500),), "a") for n in range(10_000)), "ann")
    tracemalloc.start()
    numbers = [pair.reply_id for pair in store.eligible_pairs("members", learn_from=ORIGINS)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert numbers == list(range(1, 10_001))
    assert peak < 3_000_000  # the prompts alone are 5 MB
    first = list(itertools.islice(store.eligible_pairs("members", learn_from=ORIGINS), 1))
    assert first[0].reply_id == 1


def test_the_query_looks_everything_up_by_index(store):
    """One walk through the replies; reviews, authors and consents are searched, never scanned or sorted."""
    plan = [row[3] for row in store._db.execute(f"explain query plan {_PAIRS} and {CONSENTED} order by replies.id")]
    assert [step for step in plan if step.startswith("SCAN")] == ["SCAN replies"]
    assert not [step for step in plan if "TEMP B-TREE" in step]
