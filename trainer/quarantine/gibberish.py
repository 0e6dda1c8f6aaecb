"""Text that says nothing, by its letters alone: no words, or the same ones over and over. Pure.

What has words but no sense is for the loss to find, what is in no language for `trainer.quarantine.language`.
"""

from __future__ import annotations

import re
from itertools import groupby

from trainer.quarantine.language import plain

__all__ = ["has_no_words", "repeats_itself"]

MIN_CHARACTERS = 20
"""Shorter texts are never gibberish: a smiley is an answer."""
MIN_WORDS = 10


def has_no_words(text: str) -> bool:
    """Whether less than half of a text is letters, digits and spaces, links and code left aside."""
    words = plain(text)
    spoken = sum(character.isalnum() or character.isspace() for character in words)
    return len(words) >= MIN_CHARACTERS and spoken < 0.5 * len(words)


def repeats_itself(text: str) -> bool:
    """Whether a text is one character over and over, or ten words and more of which a third differ at most."""
    words = plain(text).casefold()
    longest = max((len(list(run)) for _, run in groupby(words)), default=0)
    if len(words) >= MIN_CHARACTERS and longest > 0.5 * len(words):
        return True
    spoken = re.findall(r"\w+", words)
    return len(spoken) >= MIN_WORDS and len(set(spoken)) <= len(spoken) / 3
