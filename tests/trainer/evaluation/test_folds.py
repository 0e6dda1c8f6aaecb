"""Folds: every new pair is judged once, by a training that has seen nothing of its conversation."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trainer.evaluation.folds import plan_folds

PLAN = {"batch": 4, "steps": 40.0, "passes": 2.0, "warm": True}


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=60),
    st.integers(2, 6),
    st.booleans(),
)
def test_each_new_pair_is_judged_once_by_a_training_without_its_conversation(pairs, folds, warm):
    """Whatever the conversations are like; or nothing is judged."""
    conversations, new = [f"c{name}" for name, _ in pairs], [one for _, one in pairs]
    plans = plan_folds(conversations, new, folds=folds, **{**PLAN, "warm": warm})
    judged = [number for plan in plans for number in plan.judge]
    if not plans:
        assert sum(new) < 8 or len({name for name, one in zip(conversations, new, strict=True) if one}) < 2
        return
    assert sorted(judged) == [number for number, one in enumerate(new) if one]
    for plan in plans:
        names = {conversations[number] for number in plan.judge}
        assert not any(conversations[number] in names and new[number] for number in plan.learn)
        assert not set(plan.learn) & set(plan.judge)


def test_all_trainings_together_take_no_more_steps_than_allowed():
    """A night must not become many nights."""
    plans = plan_folds([f"c{n}" for n in range(200)], [n >= 40 for n in range(200)], folds=4, **PLAN)
    steps = sum(plan.epochs * -(-len(plan.learn) // 4) for plan in plans)
    assert len(plans) == 4
    assert steps <= 40.001


def test_a_small_night_is_seen_twice_and_no_more():
    """There is time for more passes than are good."""
    plans = plan_folds([f"c{n}" for n in range(40)], [True] * 40, folds=4, **{**PLAN, "steps": 1000.0})
    assert {plan.epochs for plan in plans} == {2.0}


def test_a_training_that_begins_with_the_champion_sees_as_many_old_pairs_as_new():
    """So that it forgets nothing; one that begins with the base sees all of them."""
    conversations, new = [f"c{n}" for n in range(100)], [n >= 80 for n in range(100)]
    for warm, old in ((True, 15), (False, 80)):
        plans = plan_folds(conversations, new, folds=4, **{**PLAN, "warm": warm})
        assert [sum(not new[n] for n in plan.learn) for plan in plans] == [old] * 4


def test_a_short_night_has_fewer_folds():
    """A training of two steps would judge what it has not learned."""
    conversations = [f"c{n}" for n in range(40)]
    assert len(plan_folds(conversations, [True] * 40, folds=4, **{**PLAN, "steps": 14.0})) == 2
    assert plan_folds(conversations, [True] * 40, folds=4, **{**PLAN, "steps": 11.0}) == []


def test_the_same_conversations_fall_into_the_same_folds():
    """In every process: a run that resumes judges as it would have."""
    plans = plan_folds([f"c{n}" for n in range(12)], [True] * 12, folds=3, **PLAN)
    assert [plan.judge for plan in plans] == [(1, 8, 9, 11), (3, 4, 7, 10), (0, 2, 5, 6)]
