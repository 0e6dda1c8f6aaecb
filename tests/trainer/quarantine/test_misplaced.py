"""Answers below the wrong questions: found among edits and imports by what they mean, with the real embedder."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

from bot.simulation.example_data import EXAMPLES
from model.config import MemoryConfig
from model.embedder import load_embedder
from storage.files.pair_files import read_pairs
from storage.pair_records import NewPair
from storage.reply_records import Turn
from tests.trainer.pairs import a_pair
from trainer.data_settings import QuarantineConfig
from trainer.quarantine.measure import meanings_of
from trainer.quarantine.misplaced import by_hand, question_of, worth_comparing
from trainer.quarantine.rules import stand_out
from trainer.reasons import Reason

VOICE = [row for row in read_pairs(EXAMPLES / "voice.jsonl") if isinstance(row, NewPair)]
GENERIC = ("Thanks a lot!", "Sure thing.", "You are welcome!", "Good point, friend.", "Ha, same here.", "No worries.")


@pytest.fixture(scope="module")
def meanings():
    """What the night's pairs mean, by reply number; each text is embedded once."""
    embedder, known = load_embedder(MemoryConfig()), {}

    def of(pairs):
        missing = [pair for pair in pairs if (pair.turns, pair.completion) not in known]
        for pair in missing:
            known[pair.turns, pair.completion] = meanings_of(embedder, [pair])[pair.reply_id]
        return {pair.reply_id: known[pair.turns, pair.completion] for pair in pairs}

    return of


def good(first=0, last=110, **changes):
    """Pairs of the shipped voice, approved on Discord unless said."""
    return [
        replace(
            a_pair(
                number + 1,
                turns=(Turn("user", VOICE[number].turns[-1].content, number % 6),),
                completion=VOICE[number].completion,
                conversation=f"discord:1:{number}",
                approved_at=f"2026-11-{1 + number % 20:02}T04:00:00.000+00:00",
            ),
            **changes,
        )
        for number in range(first, last)
    ]


def imported(first, last):
    """A file that the operator took in at one moment."""
    return good(first, last, source="import", reviewer="operator", approved_at="2026-11-24T04:00:00.000+00:00")


def edits(first, last):
    """What one moderator wrote in a night."""
    return good(first, last, edited=True, reviewer="mod", reviewer_id=7)


def swapped(pairs, count):
    """The answers of the first `count` go one on, in a circle."""
    answers = [pair.completion for pair in pairs[:count]]
    return [replace(pair, completion=answers[number - 1]) for number, pair in enumerate(pairs[:count])] + pairs[count:]


def held(meanings, pairs, new, **config):
    """Why pairs are held as misplaced, by reply number."""
    found = stand_out(
        pairs, {pair.reply_id for pair in new}, (), {}, QuarantineConfig(**config), meanings=meanings(pairs)
    )
    return {one.reply_id: one.reason for one in found if one.kind == "misplaced"}


def nights(make, draws=12):
    """Later nights of fifty pairs, sixteen of which changed places; with the reply number of each answer's owner."""
    for seed in range(draws):
        order = random.Random(seed).sample(range(110), 110)
        night = [make(0, 110)[number] for number in order[60:]]
        known = [good()[number] for number in order[:60]]
        yield known, swapped(night, 16), {pair.completion: pair.reply_id for pair in night}


@pytest.mark.parametrize("make", [edits, imported])
def test_swapped_answers_are_held_and_few_others(meanings, make):
    """A third of a night's edits, or of a file, over twelve nights."""
    right = wrong = 0
    for known, night, _ in nights(make):
        found = held(meanings, [*known, *night], night)
        bad = {pair.reply_id for pair in night[:16]}
        right, wrong = right + len(found.keys() & bad), wrong + len(found.keys() - bad)
    assert right >= 0.85 * 12 * 16
    assert wrong <= 0.1 * 12 * 34


def test_the_reason_names_the_question_that_an_answer_fits(meanings):
    """By the number of its pair, so that the second person can look."""
    named = []
    for known, night, owners in nights(edits):
        found = held(meanings, [*known, *night], night)
        reasons = [(found[pair.reply_id], owners[pair.completion]) for pair in night[:16] if pair.reply_id in found]
        named += [reason.values["pair"] == owner for reason, owner in reasons if reason.code == "fits_other"]
    assert len(named) >= 20
    assert sum(named) >= 0.75 * len(named)


@pytest.mark.parametrize("rows", [6, 20, 50])
@pytest.mark.parametrize("by", [1, -2])
def test_a_file_whose_answers_slipped_by_some_rows_is_held_as_a_whole(meanings, rows, by):
    """With the number of rows, on a first night as later."""
    night = imported(60, 60 + rows)
    answers = [pair.completion for pair in night]
    night = [replace(pair, completion=answers[(number - by) % rows]) for number, pair in enumerate(night)]
    for known in ([], good(0, 60)):
        found = held(meanings, [*known, *night], night)
        assert found.keys() == {pair.reply_id for pair in night}
        if rows > 6:
            why = Reason("moved_up_1") if by == 1 else Reason("moved_down", {"rows": 2})
            assert all(reason == why for reason in found.values())


def test_answers_in_a_drawn_order_are_held_as_a_whole(meanings):
    """No row of them stands right, and no single move explains it."""
    night = imported(60, 110)
    answers = [pair.completion for pair in night]
    random.Random(3).shuffle(answers)
    night = [replace(pair, completion=answer) for pair, answer in zip(night, answers, strict=True)]
    found = held(meanings, [*good(0, 60), *night], night)
    assert len(found) >= 48


@pytest.mark.parametrize("make", [edits, imported])
@pytest.mark.parametrize(("known", "first"), [(0, 0), (60, 60), (60, 105)])
def test_good_edits_and_imports_pass(meanings, make, known, first):
    """On a first night, on a later one, and when there are five of them."""
    night = make(first, 110)
    assert len(held(meanings, [*good(0, known), *night], night)) <= 0.02 * len(night)


def test_an_approved_answer_is_never_held_for_its_question(meanings):
    """It is the bot's own to that prompt."""
    night = swapped(good(60, 110), 50)
    assert held(meanings, [*good(0, 60), *night], night) == {}


def test_a_community_that_answers_with_pleasantries_keeps_them(meanings):
    """Where answers say little about their questions, an edit need not."""
    rng = random.Random(0)
    everyone = [replace(pair, completion=rng.choice(GENERIC)) for pair in good()]
    night = [replace(pair, edited=True, reviewer_id=7) for pair in everyone[60:]]
    assert held(meanings, [*everyone[:60], *night], night, phrase_share=1.0) == {}


def test_what_is_held_for_another_reason_makes_no_other_edit_suspect(meanings):
    """Noise fits no question; the edits beside it are as good as before."""
    night = edits(60, 110)
    noise = [replace(pair, completion="$%&/()=?#*+-<>!" * 3) for pair in night[:20]]
    assert held(meanings, [*good(0, 60), *noise, *night[20:]], night) == {}


def test_it_can_be_switched_off(meanings):
    """With a probability that nothing reaches."""
    night = swapped(imported(60, 110), 50)
    assert held(meanings, night, night, misplaced=1.0) == {}


def test_a_short_question_is_read_with_what_was_said_before():
    """The question "And then?" goes with the one before it."""
    turns = (Turn("user", "How do I clean it?"), Turn("assistant", "Heat it up."), Turn("user", "And then?"))
    assert question_of(a_pair(1, turns=turns)) == "How do I clean it?\nAnd then?"


def test_of_a_very_long_file_whole_blocks_are_compared():
    """Neighbours stay together, since a file slips by rows."""
    pairs = [replace(a_pair(number), source="import") for number in range(1, 5001)]
    chosen = worth_comparing(pairs, 1000)
    assert 900 <= len(chosen) <= 1000
    numbers = [pair.reply_id for pair in chosen]
    assert sum(after - before == 1 for before, after in pairwise(numbers)) >= len(numbers) - 6
    assert numbers[-1] > 3800
    assert by_hand(pairs[0])
