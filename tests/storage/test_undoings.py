"""Everything that one moderator decided since a time is taken back at once, and can be put back."""

from __future__ import annotations

import time

import pytest

from storage.lineage import retire_marked
from storage.origins import ORIGINS
from storage.pair_records import NewPair
from storage.reply_records import Turn
from storage.review_errors import NoVerdicts, UndoingGone
from storage.run_records import Adapter
from storage.timestamps import now
from tests.storage.conftest import ALICE, a_reply

ANN, ROGUE, BEN = 501, 502, 503


def later():
    """A moment that no record has yet: they have milliseconds."""
    time.sleep(0.003)
    moment = now()
    time.sleep(0.003)
    return moment


@pytest.fixture
def replies(store):
    """Six replies of one server."""
    return [store.add_reply(a_reply(f"q{n}", text=f"answer {n}", guild_id=11)) for n in range(6)]


def judge(store, number, verdict, who, **fields):
    store.add_review(number, verdict, reviewer=f"mod {who}", reviewer_id=who, **fields)


def verdicts(store, numbers):
    return [None if (latest := store.latest_review(number)) is None else latest.verdict for number in numbers]


def eligible(store):
    return {pair.reply_id: pair.completion for pair in store.eligible_pairs("operator", learn_from=ORIGINS)}


def trained(store, numbers):
    """An adapter of a run that saw these replies."""
    run = store.start_run("manual", "2026-11-24", 1, {})
    store.record_snapshot(run.id, numbers)
    store.add_adapter(Adapter(run.id, run.id, "embedded", now()))
    store.finish_run(run.id, "promoted", "")
    return run.id


def test_what_stood_before_a_moderator_s_verdicts_stands_again(store, replies):
    """Theirs alone and since that time alone; what another decided after them stays."""
    judge(store, replies[0], "approve", ROGUE)
    since = later()
    judge(store, replies[1], "approve", ROGUE)
    judge(store, replies[2], "approve", ANN)
    judge(store, replies[2], "edit", ROGUE, edited_text="join my server")
    judge(store, replies[3], "reject", ROGUE)
    judge(store, replies[3], "approve", BEN)
    judge(store, replies[4], "approve", ANN)
    judge(store, replies[4], "undo", ROGUE)
    judge(store, replies[5], "approve", ANN)
    done = store.undo_moderator(ROGUE, since, actor="op")
    assert done.replies == (replies[1], replies[2], replies[4])
    assert verdicts(store, replies) == ["approve", None, "approve", "approve", "approve", "approve"]
    assert eligible(store)[replies[2]] == "answer 2"
    assert store.latest_review(replies[2]).reviewer_id == ANN
    (entry,) = store.audit_search()
    assert (entry.actor, entry.action, entry.subject) == ("op", "pairs.undo_moderator", str(ROGUE))
    assert entry.details == {"since": since, "verdicts": 3, "decisions": 0, "adapters": []}


def test_an_undoing_can_be_reversed_but_for_what_was_decided_anew(store, replies):
    """Edits come back with their words; a second reversal is refused."""
    since = later()
    judge(store, replies[0], "edit", ROGUE, edited_text="rather this")
    judge(store, replies[1], "approve", ROGUE)
    done = store.undo_moderator(ROGUE, since, actor="op")
    assert eligible(store) == {}
    judge(store, replies[1], "reject", ANN)
    back = store.redo_moderator(done.id, actor="op")
    assert back.replies == (replies[0],)
    assert eligible(store) == {replies[0]: "rather this"}
    assert verdicts(store, replies[:2]) == ["edit", "reject"]
    with pytest.raises(UndoingGone):
        store.redo_moderator(done.id, actor="op")
    assert [entry.action for entry in store.audit_search()] == ["pairs.redo_moderator", "pairs.undo_moderator"]


def test_pairs_that_they_let_out_of_quarantine_wait_again(store, replies):
    """And are let out once more when it is reversed."""
    since = later()
    for number in replies[:2]:
        judge(store, number, "approve", ANN)
    run = store.start_run("manual", "2026-11-24", 1, {}).id
    store.quarantine(run, [(number, "odd") for number in replies[:2]])
    store.decide_quarantine(replies[0], confirmed=True, actor="rogue", actor_id=ROGUE)
    store.decide_quarantine(replies[1], confirmed=False, actor="rogue", actor_id=ROGUE)
    assert eligible(store).keys() == {replies[0]}
    done = store.undo_moderator(ROGUE, since, actor="op")
    assert (done.replies, done.decisions) == ((), 2)
    assert eligible(store) == {}
    assert len(store.quarantined()) == 2
    store.decide_quarantine(replies[1], confirmed=True, actor="Ben", actor_id=BEN)
    assert store.redo_moderator(done.id, actor="op").decisions == 1
    assert eligible(store).keys() == {replies[0], replies[1]}


def test_their_imports_are_no_pairs_any_more(store):
    """Even those that a second moderator had let in."""
    since = later()
    store.import_pairs([NewPair((Turn("user", "Is teak oily?"),), "Very.")], "rogue", guild_id=11, by=ROGUE)
    (held,) = store.quarantined()
    store.decide_quarantine(held.reply_id, confirmed=True, actor="Ben", actor_id=BEN)
    store.remember_home_server([11])
    assert eligible(store).keys() == {held.reply_id}
    done = store.undo_moderator(ROGUE, since, actor="op")
    assert eligible(store) == {}
    store.redo_moderator(done.id, actor="op")
    assert eligible(store).keys() == {held.reply_id}


@pytest.mark.parametrize("decision", ["verdict", "quarantine"])
def test_a_decision_between_a_run_s_start_and_its_snapshot_marks_its_adapter(store, replies, decision):
    """Loading the base comes before; a decision of after the snapshot is not in it."""
    judge(store, replies[0], "approve", ANN)
    judge(store, replies[1], "approve", ANN)
    earlier = store.start_run("manual", "2026-11-24", 1, {})
    store.quarantine(earlier.id, [(replies[1], "It stands out.")])
    runs = [store.start_run("manual", "2026-11-24", 1, {}) for _ in range(2)]
    store.record_snapshot(runs[0].id, replies[:2])
    since = later()
    if decision == "verdict":
        judge(store, replies[0], "edit", ROGUE, edited_text="join my server")
    else:
        store.decide_quarantine(replies[1], confirmed=True, actor="rogue", actor_id=ROGUE)
    later()
    store.record_snapshot(runs[1].id, replies[:2])
    for run in runs:
        store.add_adapter(Adapter(run.id, run.id, "embedded", now()))
    assert store.undo_moderator(ROGUE, since, actor="op").adapters == (runs[1].id,)


def test_adapters_that_learned_from_them_are_marked_and_retired_by_the_next_run(store, replies):
    """Not those of before the verdicts, nor of after the undoing; and a reversal takes the mark away."""
    for number in replies[:2]:
        judge(store, number, "approve", ANN)
    before = trained(store, replies[:2])
    since = later()
    judge(store, replies[1], "edit", ROGUE, edited_text="join my server")
    judge(store, replies[3], "reject", ROGUE)
    tainted = trained(store, replies[:2])
    later()
    done = store.undo_moderator(ROGUE, since, actor="op")
    later()
    after = trained(store, replies[:2])
    assert done.adapters == (tainted,)
    assert store.marked_adapters() == [tainted]
    assert store.redo_moderator(done.id, actor="op").adapters == (tainted,)
    assert store.marked_adapters() == []
    later()
    store.undo_moderator(ROGUE, since, actor="op")
    # A run between an undoing and its reversal goes too: which of the two verdicts it saw is not kept.
    assert retire_marked(store._db) == [tainted, after]
    assert store.adapter(before).retired_at is None


def test_of_one_server_only(store, replies):
    """Its administrators decide about no other."""
    elsewhere = store.add_reply(a_reply("other", guild_id=12))
    since = later()
    for number in (replies[0], elsewhere):
        judge(store, number, "approve", ROGUE)
    done = store.undo_moderator(ROGUE, since, actor="op", guild_id=11)
    assert done.replies == (replies[0],)
    with pytest.raises(UndoingGone):
        store.redo_moderator(done.id, actor="op", guild_id=12)


def test_nothing_to_take_back_is_said_and_leaves_nothing_behind(store, replies):
    """No audit, no empty undoing."""
    judge(store, replies[0], "approve", ANN)
    with pytest.raises(NoVerdicts, match="decided nothing since then"):
        store.undo_moderator(ROGUE, "2026-01-01T00:00:00.000+00:00", actor="op")
    assert store.audit_search() == []


def test_words_that_were_withdrawn_stay_withdrawn(store, replies):
    """An undoing passes them over, and so does its reversal."""
    since = later()
    judge(store, replies[0], "edit", ROGUE, edited_text="rather this")
    store.forget(ALICE)
    with pytest.raises(NoVerdicts):
        store.undo_moderator(ROGUE, since, actor="op")


def test_each_verdict_taken_back_is_shown_on_discord(store, replies):
    """The outbox redraws the cards."""
    since = later()
    judge(store, replies[0], "approve", ROGUE)
    for delivery in store.outbox.waiting(10):
        store.outbox.done(delivery.id)
    store.undo_moderator(ROGUE, since, actor="op")
    assert [one.reply_id for one in store.outbox.waiting(10)] == [replies[0]]
