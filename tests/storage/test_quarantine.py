"""Quarantine: what a night sets aside waits for a second person, and the decision holds for the words it was about."""

from __future__ import annotations

import pytest

from storage.adapter_errors import RunNotFound
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.review_errors import NotInQuarantine, SecondModeratorNeeded
from tests.storage.conftest import ALICE, a_reply

ANN, BEN = 501, 502
WHY = "The same phrase is in many new replies."


@pytest.fixture
def run(store):
    return store.start_run("manual", "2026-11-24", 1, {}).id


@pytest.fixture
def approved(store):
    """Three replies on one server that Ann approved."""
    numbers = [store.add_reply(a_reply(f"q{n}", text=f"answer {n}", guild_id=11)) for n in range(3)]
    for number in numbers:
        store.add_review(number, "approve", reviewer="Ann", reviewer_id=ANN)
    return numbers


def eligible(store):
    return [pair.reply_id for pair in store.eligible_pairs("operator", learn_from=ORIGINS)]


def confirm(store, number, actor_id=BEN):
    store.decide_quarantine(number, confirmed=True, actor="Ben", actor_id=actor_id)


def dismiss(store, number, actor_id=BEN):
    store.decide_quarantine(number, confirmed=False, actor="Ben", actor_id=actor_id)


def test_a_held_pair_is_not_eligible_and_its_card_says_why(store, run, approved):
    """It waits with its words, the reason and who approved it."""
    assert store.quarantine(run, [(approved[1], WHY)]) == 1
    assert eligible(store) == [approved[0], approved[2]]
    assert store.counts("operator", learn_from=ORIGINS).eligible == 2
    assert store.counts("operator", learn_from=ORIGINS).approved == 3
    (card,) = store.quarantined()
    assert (card.reply_id, card.reason, card.run_id, card.guild_id) == (approved[1], WHY, run, 11)
    assert (card.prompt, card.completion, card.reviewer, card.reviewer_id) == ("q1", "answer 1", "Ann", ANN)


def test_each_server_sees_its_own(store, run, approved):
    """The operator sees all of them, imports too."""
    store.import_pairs([NewPair((Turn("user", "hi"),), "hello")], "operator")
    everything = [*approved, approved[-1] + 1]
    store.quarantine(run, [(number, WHY) for number in everything])
    assert [card.reply_id for card in store.quarantined(guild_id=11)] == approved
    assert store.quarantined(guild_id=22) == []
    assert [card.reply_id for card in store.quarantined()] == everything
    assert len(store.quarantined(limit=2)) == 2


def test_a_second_moderator_lets_it_in_for_good(store, run, approved):
    """Confirmed words are eligible, and no later night sets them aside again."""
    store.quarantine(run, [(approved[0], WHY)])
    confirm(store, approved[0])
    assert eligible(store) == approved
    assert store.quarantined() == []
    assert store.quarantine(run, [(approved[0], WHY)]) == 0
    assert eligible(store) == approved
    assert store.confirmed_pairs() == {approved[0]}
    entry = store.audit_search(guild_id=11)[0]
    assert (entry.action, entry.subject, entry.actor_id) == ("quarantine.confirm", str(approved[0]), BEN)


def test_what_is_dismissed_stays_out(store, run, approved):
    """Approving the same words once more does not bring them back; rejecting and approving neither."""
    store.quarantine(run, [(approved[0], WHY)])
    dismiss(store, approved[0])
    assert store.quarantined() == []
    store.add_review(approved[0], "approve", reviewer="Ann", reviewer_id=ANN)
    store.add_review(approved[0], "undo", reviewer="Ann", reviewer_id=ANN)
    store.add_review(approved[0], "approve", reviewer="Ann", reviewer_id=ANN)
    assert eligible(store) == approved[1:]
    assert store.quarantine(run, [(approved[0], WHY)]) == 0
    assert store.quarantined() == []


def test_whoever_approved_it_cannot_be_the_second(store, run, approved):
    """Neither way; the operator at the command line can."""
    store.quarantine(run, [(approved[0], WHY)])
    with pytest.raises(SecondModeratorNeeded, match="approved by you"):
        confirm(store, approved[0], ANN)
    with pytest.raises(SecondModeratorNeeded):
        dismiss(store, approved[0], ANN)
    assert eligible(store) == approved[1:]
    confirm(store, approved[0], None)
    assert eligible(store) == approved


def test_the_second_is_another_than_whoever_approved_last(store, run, approved):
    """A verdict on a held pair does not free it, and makes its giver the first moderator."""
    store.quarantine(run, [(approved[0], WHY)])
    store.add_review(approved[0], "approve", reviewer="Ben", reviewer_id=BEN)
    assert eligible(store) == approved[1:]
    with pytest.raises(SecondModeratorNeeded):
        confirm(store, approved[0], BEN)
    confirm(store, approved[0], ANN)
    assert eligible(store) == approved


@pytest.mark.parametrize("decide", [None, confirm, dismiss])
def test_an_edit_makes_other_words_that_the_next_night_judges(store, run, approved, decide):
    """Held, confirmed or dismissed: that was about the words before."""
    store.quarantine(run, [(approved[0], WHY)])
    if decide:
        decide(store, approved[0])
    store.add_review(approved[0], "edit", reviewer="Ann", reviewer_id=ANN, edited_text="better")
    assert eligible(store) == approved
    assert store.quarantined() == []
    assert store.confirmed_pairs() == frozenset()
    assert store.quarantine(run, [(approved[0], "other")]) == 1
    assert [(card.reason, card.completion) for card in store.quarantined()] == [("other", "better")]
    assert eligible(store) == approved[1:]


def test_a_held_pair_that_is_rejected_waits_no_longer(store, run, approved):
    """There is no pair to decide about; approved again, it waits again."""
    store.quarantine(run, [(approved[0], WHY)])
    store.add_review(approved[0], "reject", reviewer="Ben", reviewer_id=BEN)
    assert store.quarantined() == []
    with pytest.raises(NotInQuarantine):
        confirm(store, approved[0])
    store.add_review(approved[0], "approve", reviewer="Ann", reviewer_id=ANN)
    assert len(store.quarantined()) == 1


def test_a_decision_stands_but_the_operator_may_change_it(store, run, approved):
    """Two moderators who click at once make one decision."""
    store.quarantine(run, [(approved[0], WHY)])
    dismiss(store, approved[0])
    with pytest.raises(NotInQuarantine, match="already decided"):
        confirm(store, approved[0], 503)
    confirm(store, approved[0], None)
    assert eligible(store) == approved


def test_what_was_never_set_aside_cannot_be_decided(store, approved):
    """Nor what does not exist."""
    for number in (approved[0], 99):
        with pytest.raises(NotInQuarantine):
            confirm(store, number, None)


def test_only_pairs_are_set_aside_and_only_by_a_run(store, run, approved):
    """A reply rejected or purged while the night went on is passed over."""
    store.add_review(approved[0], "reject", reviewer="Ben", reviewer_id=BEN)
    assert store.quarantine(run, [(approved[0], WHY), (99, WHY), (approved[1], WHY)]) == 1
    with pytest.raises(RunNotFound):
        store.quarantine("nowhere", [(approved[2], WHY)])


def test_forgotten_words_leave_the_quarantine_too(store, run, approved):
    """The reason may quote them."""
    store.quarantine(run, [(approved[0], "it says 'answer 0'")])
    store.forget(ALICE)
    assert store.quarantined() == []
    assert store._db.execute("select count(*) from quarantine").fetchone()[0] == 0
