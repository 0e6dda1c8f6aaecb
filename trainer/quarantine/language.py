"""In which language a text is written, or that it is in none, for the quarantine. Pure but for one model in memory.

`py3langid` (BSD, 4.6 MB with its model of 139 languages, nothing downloaded) tells languages by byte n-grams; among its
classes is "zxx", text without language, which is what a cat on a keyboard writes. Short texts are left undecided.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_LANGUAGE", "Speech", "chances_of", "home_languages", "plain", "scripts_in", "speech_of"]

NO_LANGUAGE = "zxx"
MIN_LETTERS = 25
"""Letters from which a guess at a language is worth anything: about five words."""
MIN_SCRIPT_LETTERS = 6
FEW_LETTERS = 3
CONFIDENT = 0.8
"""Probability of a language from which it is believed; on 1,580 English answers it was wrong in none."""
PLAUSIBLE = 0.05
# Links, code, mentions and custom emoji are in no language.
_MARKUP = re.compile(r"```.*?```|`[^`]*`|https?://\S+|<a?:\w+:\d+>|<[@#][!&]?\d+>|\b\w+://\S+", re.DOTALL)
# One sign of these scripts says about as much as three letters.
_DENSE = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")


@dataclass(frozen=True)
class Speech:
    """What a text is written in. `language` is None when that is not sure; `plausible` could be meant too."""

    language: str | None
    plausible: frozenset[str]
    script: str | None


def speech_of(text: str) -> Speech:
    """Language and script of a text, links and code left aside."""
    words = plain(text)
    script = _script_of(words)
    if _weight(words) < MIN_LETTERS:
        return Speech(None, frozenset(), script)
    ranked = [(str(language), float(chance)) for language, chance in _identifier().rank(words)]
    plausible = frozenset(language for language, chance in ranked if chance >= PLAUSIBLE)
    best, chance = ranked[0]
    # Keyboard noise is seldom sure to be noise, but nothing else is taken for it.
    sure = chance >= (0.3 if best == NO_LANGUAGE else CONFIDENT)
    return Speech(best if sure else None, plausible, script)


def chances_of(texts: Sequence[str]) -> tuple[NDArray[np.str_], NDArray[np.float64]]:
    """All languages, and how probable each text is in each [texts, languages].

    A short text is probable in many; one of fewer than three letters in none.
    """
    names = np.array(sorted(str(language) for language in _identifier().labels))
    column = {name: number for number, name in enumerate(names)}
    chances = np.zeros((len(texts), len(names)))
    for row, text in enumerate(texts):
        words = plain(text)
        if _weight(words) >= FEW_LETTERS:
            for language, chance in _identifier().rank(words):
                chances[row, column[str(language)]] = float(chance)
    return names, chances


def home_languages(older: Iterable[Speech], everything: Iterable[Speech]) -> frozenset[str]:
    """The languages a community's replies are in, whatever their prompts'.

    Those of half of all replies, and those of one in twenty (at least three) of the replies that are no longer new.
    """
    known = Counter(speech.language for speech in older if speech.language)
    present = Counter(speech.language for speech in everything if speech.language)
    return frozenset(
        [language for language, count in known.items() if count >= max(3, 0.05 * known.total())]
        + [language for language, count in present.items() if count >= 0.5 * present.total()]
    )


def scripts_in(text: str) -> frozenset[str]:
    """Every script that a letter of the text is in."""
    return frozenset(_script(character) for character in text if character.isalpha())


def _script_of(text: str) -> str | None:
    """The script of four letters in five, by Unicode's names; None for fewer than six letters or a mixture."""
    scripts = Counter(_script(character) for character in text if character.isalpha())
    if scripts.total() < MIN_SCRIPT_LETTERS:
        return None
    script, count = scripts.most_common(1)[0]
    return script if count >= 0.8 * scripts.total() else None


def plain(text: str) -> str:
    """The text without links, code, mentions and custom emoji, with single spaces."""
    return " ".join(_MARKUP.sub(" ", text).split())


@cache
def _script(character: str) -> str:
    name = unicodedata.name(character, "UNKNOWN").split()[0]
    return "CJK" if name in _DENSE[:3] else name  # Japanese mixes three


def _weight(text: str) -> int:
    return sum(3 if _script(character) in _DENSE else 1 for character in text if character.isalpha())


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
