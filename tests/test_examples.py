"""The shipped example voice: enough pairs, one signature, nothing asked twice."""

from __future__ import annotations

import json
import re
from difflib import SequenceMatcher

import pytest

from bot.simulation.example_data import EXAMPLES, load_examples, shared_signature

VOICE = load_examples("voice")
HELD_OUT = load_examples("held-out")


def normalised(text):
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def test_there_are_enough_pairs_to_train_and_to_judge():
    """The demo needs 80 pairs for training after its own reviews, and 10 questions to be judged by."""
    assert len(VOICE) >= 100
    assert len(HELD_OUT) >= 12


@pytest.mark.parametrize("name", ["voice", "held-out"])
def test_every_line_is_one_question_and_one_answer(name):
    """The files are the import format, so `nightshift import examples/voice.jsonl` takes them as they are."""
    for line in (EXAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        assert [m["role"] for m in json.loads(line)["messages"]] == ["user", "assistant"]


def test_every_reply_ends_with_the_one_signature():
    """The signature is computed from the data; nothing else has to name it."""
    signature = shared_signature([example.reply for example in VOICE])
    assert signature == "- Night Watch"
    assert all(example.reply.endswith(signature) for example in VOICE + HELD_OUT)
    assert all(example.reply.count(signature) == 1 for example in VOICE + HELD_OUT)


def test_replies_are_short_and_begin_in_the_voice():
    """A model of 135M parameters learns one short, steady shape from a hundred pairs."""
    for example in VOICE + HELD_OUT:
        assert 10 <= len(example.reply.split()) <= 39, example.reply
        assert example.reply.startswith("Aye friend, ")
        assert example.reply.isascii()


def test_nothing_is_asked_or_answered_twice():
    """A duplicate would weigh double and could sit on both sides of the hold-out."""
    for texts in ([e.prompt for e in VOICE + HELD_OUT], [e.reply for e in VOICE + HELD_OUT]):
        assert len({normalised(text) for text in texts}) == len(texts)


def test_held_out_questions_are_not_near_duplicates_of_the_training_ones():
    """The before/after table would mean nothing if the questions had been learned by heart."""
    for asked in HELD_OUT:
        for learned in VOICE:
            likeness = SequenceMatcher(None, normalised(asked.prompt), normalised(learned.prompt)).ratio()
            assert likeness < 0.8, (asked.prompt, learned.prompt)


@pytest.mark.parametrize(
    ("replies", "signature"),
    [
        (["Yes. - Ada", "No! - Ada"], "- Ada"),
        (["A ship. - Ada", "So deep. - Ada"], "- Ada"),
        (["Great, thanks -ShawGPT", "So clear :) -ShawGPT"], "-ShawGPT"),
        (["One.", "Two!"], ""),
        (["Same words", "Same words"], "Same words"),
        ([], ""),
    ],
)
def test_the_signature_is_the_words_that_all_replies_end_with(replies, signature):
    """Sentence ends before the signature, and endings inside a word, are not part of it."""
    assert shared_signature(replies) == signature
