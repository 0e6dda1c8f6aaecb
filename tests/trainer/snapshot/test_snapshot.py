"""Snapshots: what a run may see, and what it must never see."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from storage.origins import ORIGINS
from storage.reply_records import Turn
from storage.store import Store
from tests.storage.conftest import ALICE, a_reply
from tests.trainer.pairs import a_pair
from trainer.data_settings import SnapshotConfig
from trainer.readiness import why_not_train
from trainer.reasons import in_english
from trainer.settings import TrainingConfig
from trainer.snapshot.duplicates import digest
from trainer.snapshot.holdout import is_held_out, validation_split
from trainer.snapshot.snapshot import change_since, stream_snapshot, take_snapshot, without

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
    """Case, width and spacing make no new pair; the newest reply stays."""
    pairs = [
        a_pair(3, question="WHERE is  the tea?", completion="second shelf."),
        a_pair(1),
        a_pair(2, question="\uff37here is the tea?", completion="Second\nshelf."),
        a_pair(4, completion="Third shelf."),
    ]
    snapshot = take_snapshot(pairs, SHARE)
    assert snapshot.left_out == {"duplicates": 2}
    assert sorted(p.reply_id for p in (*snapshot.train, *snapshot.holdout)) == [3, 4]


def test_the_hash_names_the_words_and_nothing_else():
    """Numbers, times and order do not change it; a word does."""
    one = take_snapshot([a_pair(1), a_pair(2, question="Who?")], SHARE)
    same = take_snapshot([a_pair(9, question="Who?"), a_pair(12, approved_at="2027-01-01T00:00:00.000+00:00")], SHARE)
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
    assert in_english(reason) == "There are 49 eligible pairs and training needs 50."


def test_a_hold_out_too_small_to_judge_is_said():
    """Training without a judge would be a night for nothing."""
    pairs = [p for p in many(200) if not is_held_out(p.conversation, SHARE)][:60]
    held = [p for p in many(200) if is_held_out(p.conversation, SHARE)][:2]
    reason = why_not_train(take_snapshot([*pairs, *held], SHARE), None, TrainingConfig(), force=True)
    assert reason is not None
    assert in_english(reason).startswith("Only 2 of 62 pairs fall into the hold-out")


def test_too_little_new_is_skipped_unless_forced():
    """Four new pairs wait for a fifth."""
    former, now = take_snapshot(many(100), SHARE), take_snapshot(many(104), SHARE)
    config = TrainingConfig()
    assert in_english(why_not_train(now, former.digests, config, force=False)) == (
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


def test_of_duplicates_the_edited_one_stays_however_old():
    """A moderator's words are worth more than the same words once more."""
    pairs = [
        a_pair(1, edited=True),
        a_pair(2, completion="second shelf.", approved_at="2026-12-01T00:00:00.000+00:00"),
    ]
    assert reply_ids(take_snapshot(pairs, SHARE)) == [1]


def test_duplicates_stay_on_the_side_of_the_oldest():
    """Words that were trained on once would judge the adapters that know them."""
    train, held = on_side(held_out=False), on_side(held_out=True)
    pairs = [a_pair(1, conversation=train), a_pair(2, conversation=held), a_pair(3, conversation=train)]
    snapshot = take_snapshot(pairs, SHARE)
    assert ([p.reply_id for p in snapshot.train], snapshot.holdout) == ([3], ())
    snapshot = take_snapshot([a_pair(1, conversation=held), a_pair(2, conversation=train)], SHARE)
    assert (snapshot.train, [p.reply_id for p in snapshot.holdout]) == ((), [1])


LONG = "Under the third shelf behind the kettle, where it has always been"


def test_near_duplicates_count_once_and_never_leak_into_the_hold_out():
    """A typing error makes no new pair, and a training pair's twin judges nobody."""
    train, held = on_side(held_out=False), on_side(held_out=True)
    question = "Where on earth do you keep the good tea?"
    pairs = [
        a_pair(1, question, LONG + ".", conversation=train),
        a_pair(2, question.replace("earth", "Earth"), LONG + "!", conversation=held),
        a_pair(3, question, LONG + " :)", conversation=train),
        a_pair(4, question, "Ask the cat, she has hidden it again somewhere.", conversation=train),
        a_pair(5, "And where do you keep the bad tea, then?", LONG + ".", conversation=train),
    ]
    snapshot = take_snapshot(pairs, SHARE)
    assert reply_ids(snapshot) == [3, 4, 5]
    assert snapshot.left_out == {"near duplicates": 2}
    assert reply_ids(take_snapshot(pairs, SHARE, SnapshotConfig(near_duplicate=1.0))) == [1, 2, 3, 4, 5]


def test_one_author_and_one_moderator_have_at_most_their_share():
    """Whoever talks most does not decide alone how the bot talks; the newest of theirs stay."""
    rules = SnapshotConfig(share_floor=10, max_author_share=0.5, max_moderator_share=0.6, half_life_days=1e-3)
    rest = [a_pair(n, f"What is {n}?", turns=asked_by(n, n % 5), reviewer=f"mod {n % 3}") for n in range(1, 41)]
    flood = [a_pair(n, turns=asked_by(n, 99), reviewer="mod 0", approved_at=at(n)) for n in range(100, 400)]
    snapshot = take_snapshot([*rest, *flood], 1e-9, rules)
    theirs = [p.reply_id for p in snapshot.train if p.turns[-1].author_id == 99]
    by_one = [p for p in snapshot.train if p.reviewer == "mod 0"]
    assert len(theirs) <= 0.5 * len(snapshot)
    assert 0.5 < len(by_one) / len(snapshot) <= 0.6
    assert min(theirs) > 350
    assert snapshot.left_out["one author's share"] + snapshot.left_out["one moderator's share"] == 340 - len(snapshot)


def test_a_small_server_is_not_cut_down_by_shares():
    """One moderator and two people, or few pairs: everything stays."""
    pairs = [a_pair(n, turns=asked_by(n, n % 2)) for n in range(1, 500)]
    assert len(take_snapshot(pairs, SHARE)) == 499
    few = [a_pair(n, turns=asked_by(n, 1 if n > 9 else n), reviewer=f"mod {n == 1}") for n in range(1, 150)]
    assert len(take_snapshot(few, 1e-9)) == 149


def test_imports_count_towards_nobodys_share():
    """A file is one deliberate act, and belongs to whoever may do it."""
    imported = [a_pair(n, turns=asked_by(n, None), source="import", reviewer="op") for n in range(1, 400)]
    asked = [a_pair(n, turns=asked_by(n, n % 4), reviewer=f"mod {n % 2}") for n in range(400, 420)]
    assert len(take_snapshot([*imported, *asked], 1e-9, SnapshotConfig(share_floor=1))) == 419


def test_above_the_limit_a_reservoir_prefers_new_and_edited_pairs():
    """Seeded, so the same night twice is the same; the hold-out has a limit of its own."""
    pairs = [
        a_pair(n, turns=asked_by(n, n), edited=n % 4 == 0, approved_at=at(n), conversation=f"discord:1:{n}")
        for n in range(1, 4001)
    ]
    rules = SnapshotConfig(max_pairs=800, half_life_days=1.0, edited_weight=3.0)
    snapshot = take_snapshot(pairs, 0.2, rules, max_holdout=100)
    assert (len(snapshot.train), len(snapshot.holdout)) == (800, 100)
    assert sum(p.reply_id > 2000 for p in snapshot.train) > 450
    assert sum(p.edited for p in snapshot.train) > 300
    assert snapshot.hash == take_snapshot(reversed(pairs), 0.2, rules, max_holdout=100).hash
    other = take_snapshot(pairs, 0.2, replace(rules, seed=1), max_holdout=100)
    assert snapshot.hash != other.hash
    assert snapshot.left_out == {"reservoir": 3100}


def test_one_more_pair_changes_one_place_in_the_reservoir():
    """What a night learns is mostly what the night before learned."""
    pairs = [a_pair(n, turns=asked_by(n, n), approved_at=at(n)) for n in range(1, 1002)]
    rules = SnapshotConfig(max_pairs=200)
    before, after = (set(reply_ids(take_snapshot(some, 1e-9, rules))) for some in (pairs[:-1], pairs))
    assert len(before - after) <= 1


def test_pairs_that_lost_their_place_were_not_withdrawn():
    """A newer duplicate or the reservoir is no reason to train at once."""
    old = [a_pair(1), a_pair(2, "Who is there?")]
    former = {p.reply_id: digest(p) for p in old}
    now = {p.reply_id: p for p in [*old, a_pair(3, "WHERE is the tea?")]}
    snapshot = stream_snapshot(
        lambda ids: now.values() if ids is None else [now[n] for n in ids],
        SHARE,
        SnapshotConfig(),
        max_holdout=500,
        former=former,
    )
    assert reply_ids(snapshot) == [2, 3]
    change = change_since(snapshot, frozenset(former.values()))
    assert (change.new, change.withdrawn) == (1, 0)


def test_pairs_are_left_out_by_name_and_the_hash_follows():
    """As if they had never been approved, but counted."""
    snapshot = take_snapshot(many(30), SHARE)
    fewer = without(snapshot, frozenset(range(1, 6)), "quarantine")
    assert fewer.hash == take_snapshot(many(25, start=6), SHARE).hash
    assert fewer.left_out == {"quarantine": 5}
    assert without(snapshot, frozenset(), "quarantine") == snapshot


def test_rejected_and_waiting_replies_are_never_in(tmp_path):
    """Only what stands approved or edited, whatever was said before."""
    with Store.open(tmp_path / "nightshift.db") as store:
        numbers = [store.add_reply(a_reply(f"question {n}", text=f"answer {n}")) for n in range(6)]
        store.set_consent(ALICE, opted_in=True)
        for number, verdicts in zip(
            numbers, ["approve", "reject", "approve reject", "reject approve", "approve undo"], strict=False
        ):
            for verdict in verdicts.split():
                store.add_review(number, verdict, reviewer="mod")
        snapshot = take_snapshot(store.eligible_pairs("members", learn_from=ORIGINS), SHARE)
    assert reply_ids(snapshot) == [numbers[0], numbers[3]]


def test_only_numbers_of_each_pair_are_held_while_they_stream_by():
    """A pair is a kilobyte, its numbers are forty bytes: the memory follows what is chosen, not what there is."""

    def pairs(reply_ids=None):
        for n in reply_ids or range(1, 5_001):
            yield a_pair(n, turns=asked_by(n, n % 500), completion=f"{n} " * 200, approved_at=at(n))

    tracemalloc.start()
    try:
        snapshot = stream_snapshot(pairs, SHARE, SnapshotConfig(max_pairs=100, near_duplicate=1.0), max_holdout=20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(snapshot) == 120
    assert peak < 2.5e6  # the completions alone are 5 MB


def reply_ids(snapshot):
    return sorted(p.reply_id for p in (*snapshot.train, *snapshot.holdout))


def on_side(*, held_out):
    """A conversation's name on one side."""
    return next(name for name in map("discord:9:{}".format, range(1000)) if is_held_out(name, SHARE) == held_out)


def asked_by(number, author):
    return (Turn("user", f"What is {number}?", author),)


def at(minute):
    return (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute)).isoformat(timespec="milliseconds")
