"""Snapshots: what a run may see, and what it must never see."""

from __future__ import annotations

from storage.records import Turn
from tests.trainer.pairs import a_pair
from trainer.readiness import why_not_train
from trainer.settings import TrainingConfig
from trainer.snapshot import change_since, is_held_out, take_snapshot, validation_split

SHARE = 0.15


def many(count, start=1):
    return [a_pair(n, question=f"What is {n}?") for n in range(start, start + count)]


def test_the_hold_out_takes_about_its_share():
    """A hash spreads conversations evenly."""
    held = sum(is_held_out(f"discord:1:{n}", SHARE) for n in range(10_000))
    assert 1400 < held < 1600


def test_membership_of_the_hold_out_never_changes():
    """Whatever else is approved, forgotten or asked for in another order: a pair stays on its side."""
    before = take_snapshot(many(100), SHARE)
    after = take_snapshot(reversed(many(400, start=30)), SHARE)
    assert {p.reply_id for p in before.holdout if p.reply_id >= 30} == {
        p.reply_id for p in after.holdout if p.reply_id <= 100
    }


def test_all_pairs_of_a_conversation_are_on_one_side():
    """A conversation that is half trained on would judge the adapter by what it saw."""
    pairs = [a_pair(n, question=f"And {n}?", conversation=f"discord:1:{n % 7}") for n in range(70)]
    snapshot = take_snapshot(pairs, 0.4)
    assert snapshot.train
    assert snapshot.holdout
    assert not {p.conversation for p in snapshot.train} & {p.conversation for p in snapshot.holdout}


def test_duplicates_in_other_clothes_are_kept_once():
    """Case, width and spacing make no new pair; the first reply stays."""
    pairs = [
        a_pair(3, question="WHERE is  the tea?", completion="second shelf."),
        a_pair(1),
        a_pair(2, question="\uff37here is the tea?", completion="Second\nshelf."),
        a_pair(4, completion="Third shelf."),
    ]
    snapshot = take_snapshot(pairs, SHARE)
    assert snapshot.duplicates == 2
    assert sorted(p.reply_id for p in (*snapshot.train, *snapshot.holdout)) == [1, 4]


def test_the_hash_names_the_words_and_nothing_else():
    """Numbers, times and order do not change it; a word does."""
    one = take_snapshot([a_pair(1), a_pair(2, question="Who?")], SHARE)
    same = take_snapshot([a_pair(9, question="Who?"), a_pair(12, approved_at="2027")], SHARE)
    other = take_snapshot([a_pair(1), a_pair(2, question="who?")], SHARE)
    assert one.hash == same.hash
    assert one.hash != other.hash


def test_an_edit_and_a_removal_are_seen_as_changes():
    """What is new and what was withdrawn since the last run."""
    former = take_snapshot(many(10), SHARE)
    now = take_snapshot([*many(8), a_pair(9, question="What is 9?", completion="Edited.")], SHARE)
    change = change_since(now, former.digests)
    assert (change.new, change.withdrawn) == (1, 2)


def test_the_validation_slice_comes_from_the_training_part_and_is_stable():
    """It is never the hold-out, and one more pair moves at most one other."""
    snapshot, more = take_snapshot(many(100), SHARE), take_snapshot(many(101), SHARE)
    learn, validate = validation_split(snapshot.train, 8)
    assert len(validate) == 8
    assert {p.reply_id for p in learn} | {p.reply_id for p in validate} == {p.reply_id for p in snapshot.train}
    _, later = validation_split(more.train, 8)
    assert len({p.reply_id for p in validate} & {p.reply_id for p in later}) >= 7


def test_too_few_pairs_are_refused_even_when_forced():
    """Fifty pairs are the least that teach anything."""
    snapshot = take_snapshot(many(49), SHARE)
    reason = why_not_train(snapshot, None, TrainingConfig(), force=True)
    assert reason == "There are 49 eligible pairs and training needs 50."


def test_a_hold_out_too_small_to_judge_is_said():
    """Training without a judge would be a night for nothing."""
    pairs = [p for p in many(200) if not is_held_out(p.conversation, SHARE)][:60]
    held = [p for p in many(200) if is_held_out(p.conversation, SHARE)][:2]
    reason = why_not_train(take_snapshot([*pairs, *held], SHARE), None, TrainingConfig(), force=True)
    assert reason is not None
    assert reason.startswith("Only 2 of 62 pairs fall into the hold-out")


def test_too_little_new_is_skipped_unless_forced():
    """Four new pairs wait for a fifth."""
    former, now = take_snapshot(many(100), SHARE), take_snapshot(many(104), SHARE)
    config = TrainingConfig()
    assert why_not_train(now, former.digests, config, force=False) == (
        "4 pairs are new since the last run, and a run needs 5."
    )
    assert why_not_train(now, former.digests, config, force=True) is None
    assert why_not_train(take_snapshot(many(105), SHARE), former.digests, config, force=False) is None


def test_nothing_new_is_skipped_even_if_nothing_new_is_demanded():
    """The same data would give the same adapter."""
    snapshot = take_snapshot(many(100), SHARE)
    config = TrainingConfig(min_new_pairs=0)
    assert why_not_train(snapshot, snapshot.digests, config, force=False) is not None


def test_withdrawn_words_are_reason_enough_to_train():
    """The next adapter must not know them."""
    former, now = take_snapshot(many(100), SHARE), take_snapshot(many(99), SHARE)
    assert why_not_train(now, former.digests, TrainingConfig(), force=False) is None


def test_turns_count_as_words():
    """The same answer after another conversation is another pair."""
    longer = a_pair(2, turns=(Turn("user", "Hi", 1), Turn("assistant", "Hello."), Turn("user", "Where is the tea?", 1)))
    assert len(take_snapshot([a_pair(1), longer], SHARE)) == 2
