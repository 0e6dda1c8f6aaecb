"""Which examples training prompts show, and that a pair is never among its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from storage.pair_records import Pair
from storage.reply_records import Turn
from trainer.training.shown_examples import examples_for, with_examples


def pair(number, question, completion, *, conversation="", guild_id=1, source="discord"):
    """An approved reply, or an imported pair."""
    return Pair(
        number, conversation or f"c{number}", (Turn("system", "Be kind."), Turn("user", question)), completion,
        "", edited=False, source=source, reviewer="mo", adapter=None, authors=(), guild_id=guild_id,
    )  # fmt: skip


def vectors(**directions):
    """Unit vectors in float16, by reply number."""
    made = {}
    for name, row in directions.items():
        direction = np.asarray(row, dtype=np.float32)
        made[int(name[1:])] = (direction / np.linalg.norm(direction)).astype("<f2").tobytes()
    return made


PAIRS = [
    pair(1, "When is the raid?", "At eight."),
    pair(2, "When does the raid begin?", "By the gong."),
    pair(3, "Where is the tea?", "Second shelf."),
    pair(4, "When is the raid, please?", "At eight."),
    pair(5, "And the raid?", "Ask Mo.", conversation="c1"),
    pair(6, "When is the raid?", "Elsewhere at nine.", guild_id=2),
]
NEAR = vectors(n1=[1, 0, 0], n2=[0.95, 0.1, 0], n3=[0, 1, 0], n4=[1, 0.02, 0], n5=[1, 0.01, 0], n6=[1, 0, 0])


def test_the_nearest_questions_are_shown_without_the_pair_its_conversation_its_answer_and_other_servers():
    """Or the adapter would learn to copy."""
    found = examples_for(PAIRS, NEAR, {}, 1.0)
    assert [one.reply_id for one in found[1]] == [2]
    assert 3 not in found


def test_who_is_shown_what_is_as_in_answers():
    """A server is shown its own and the operator's imports; an import none of a server's; nobody direct messages."""
    near = vectors(**{f"n{number}": [1, 0] for number in range(1, 6)})
    pairs = [
        pair(1, "When is the raid?", "At eight."),
        pair(2, "When does it begin?", "At nine.", guild_id=2),
        pair(3, "When is it?", "At ten.", guild_id=None, source="import"),
        pair(4, "When, please?", "At eleven.", guild_id=None),
        pair(5, "At what time?", "At noon.", guild_id=None, source="import"),
    ]
    found = examples_for(pairs, near, {}, 1.0)
    shown = {number: {one.reply_id for one in examples} for number, examples in found.items()}
    assert shown == {1: {3, 5}, 2: {3, 5}, 3: {5}, 4: {3, 5}, 5: {3}}


def test_a_question_is_shown_without_the_label_of_who_asked():
    """As serving shows it."""
    turns = (Turn("user", "Ada: Hello.", author_id=1), Turn("user", "Bo: When is\n  the raid?", author_id=2))
    asked = replace(PAIRS[1], turns=turns)
    (shown,) = with_examples(PAIRS[:1], {1: (asked,)})
    assert shown.turns[1].content == "When is\nthe raid?"


def test_what_was_shown_when_the_reply_was_made_comes_first():
    """It stands nearest to the question; what is no longer learned from is not shown."""
    found = examples_for(PAIRS, NEAR, {1: [3, 99]}, 1.0)
    assert [one.reply_id for one in found[1]] == [2, 3]


def test_a_share_of_the_prompts_shows_them_always_the_same():
    """None without a share."""
    many = [pair(number, f"Question {number}?", f"Answer {number}.") for number in range(400)]
    near = {one.reply_id: np.array([1, 0], dtype="<f2").tobytes() for one in many}
    found = examples_for(many, near, {}, 0.25)
    assert 60 < len(found) < 140
    assert examples_for(many, near, {}, 0.25) == found
    assert examples_for(many, near, {}, 0.0) == {}


def test_examples_stand_as_turns_after_the_system_turn():
    """As in serving."""
    (shown,) = with_examples(PAIRS[:1], {1: (PAIRS[1],)})
    assert [(one.role, one.content) for one in shown.turns] == [
        ("system", "Be kind."),
        ("user", "When does the raid begin?"),
        ("assistant", "By the gong."),
        ("user", "When is the raid?"),
    ]
    assert with_examples(PAIRS, {}) == PAIRS
