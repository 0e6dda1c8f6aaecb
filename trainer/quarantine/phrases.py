"""Phrases that many new replies share and the others do not: something copied in, unless it is the voice. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["copied_phrases", "ngrams"]

# One sign of a script without spaces is a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_SIGN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
LENGTHS = ((4, 1.0), (3, 1.6))
"""Words of a phrase, and how many times the share it then needs: three words are shared by chance more often."""
SIGNS = 8
"""Signs of a script without spaces that make a phrase."""
MAJORITY = 0.5
RISE = 3.0
"""How many times as common as among the older replies."""


def ngrams(text: str, length: int) -> frozenset[str]:
    """Runs of `length` words in lower case, without punctuation; of 8 signs where a script has no spaces."""
    words = _WORD.findall(text.casefold())
    if sum(bool(_SIGN.match(word)) for word in words) > 0.5 * len(words):
        length = SIGNS
    return frozenset(" ".join(words[start : start + length]) for start in range(len(words) - length + 1))


def copied_phrases(
    new: Mapping[int, str],
    older: Iterable[str],
    accepted: Iterable[str] = (),
    *,
    night: int,
    share: float,
    at_least: int,
) -> dict[int, str]:
    """The phrase that each new reply shares with too many others, by reply number.

    A phrase stands out if `share` of the new replies and at least `at_least` have it, while fewer than half of all
    have it (that would be the voice) and it is three times as common as among the older ones.

    Args:
        new: text of each new reply by its number.
        older: texts of the replies that are no longer new.
        accepted: texts a second person has let in: their phrases are welcome.
        night: how many new replies there are with those that are not looked at for another reason.
        share: part of the night's replies.
        at_least: number of them.
    """
    older = list(older)
    found: dict[int, str] = {}
    for length, factor in LENGTHS:
        theirs = {number: ngrams(text, length) for number, text in new.items()}
        fresh = Counter(phrase for phrases in theirs.values() for phrase in phrases)
        wanted = max(at_least, factor * share * night)
        common = {phrase for phrase, count in fresh.items() if count >= wanted}
        if not common:
            continue
        known = Counter(phrase for text in older for phrase in ngrams(text, length) & common)
        welcome = frozenset(phrase for text in accepted for phrase in ngrams(text, length) & common)
        copied = {phrase for phrase in common - welcome if _stands_out(phrase, fresh, known, night, len(older))}
        for number, phrases in theirs.items():
            if number not in found and (own := phrases & copied):
                found[number] = max(sorted(own), key=lambda phrase: (fresh[phrase], len(phrase)))
    return found


def _stands_out(phrase: str, fresh: Mapping[str, int], known: Mapping[str, int], new: int, older: int) -> bool:
    if fresh[phrase] + known[phrase] >= MAJORITY * (new + older):
        return False
    # One more than was counted: that few older replies lack a phrase says little.
    return older == 0 or fresh[phrase] / new > RISE * (known[phrase] + 1) / (older + 1)
