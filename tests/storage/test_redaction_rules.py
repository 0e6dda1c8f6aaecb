"""What of the bot's words goes with words that are withdrawn."""

from __future__ import annotations

import pytest

from storage.redaction_rules import RemovedWords

SAID = "My locker code is 4711, near the old piano."


@pytest.mark.parametrize(
    "text",
    [
        "It is 4711.",
        "He keeps it near a PIANO!",
        "My locker. Code is ... what?",
        "the old piano",
    ],
)
def test_an_unusual_word_or_a_run_of_words_is_a_repetition(text):
    """Whatever its case and punctuation."""
    assert RemovedWords([SAID]).repeated_in(text)


@pytest.mark.parametrize("text", ["", "That is the one.", "I would not know about this.", "Near? No, far from there."])
def test_words_that_everybody_uses_are_none(text):
    """Else every answer would be one."""
    said = ["I would say that this is the one about which there is more", "is it far from there"]
    assert not RemovedWords(said).repeated_in(text)


def test_what_somebody_else_said_too_is_known_from_them():
    """Bob's own piano."""
    assert not RemovedWords([SAID]).repeated_in("A piano is heavy.", ["How heavy is my piano?"])


def test_scripts_without_spaces_are_compared_by_their_signs():
    """Four in a row."""
    assert RemovedWords(["\u79d8\u5bc6\u306e\u672c\u3067"]).repeated_in("\u305d\u308c\u306f\u79d8\u5bc6\u306e\u672c")
    assert not RemovedWords(["\u79d8\u5bc6\u306e\u672c"]).repeated_in("\u3053\u306e\u672c")


@pytest.mark.parametrize(("text", "found"), [("4711", True), ("near the old piano at home", True), ("a piano", False)])
def test_far_from_the_conversation_it_takes_more_to_be_no_chance(text, found):
    """A run with an unusual word, or a long number."""
    assert RemovedWords([SAID]).recited_in(text) is found
