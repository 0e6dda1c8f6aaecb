"""Which of what was found is shown: two rankings made one, and a score from 0 to 1 for how well something fits.

Plain functions. The words decide where the embedding model does not know the language, or where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from storage.recall import content_words, stem, words_of

__all__ = ["coverage", "fused", "score_of"]

_RANK = 60
"""What reciprocal rank fusion adds to each rank (Cormack, Clarke and Büttcher, SIGIR 2009)."""

_PART = 5
"""Letters of a word that counts where it begins a longer one of the question."""

_WORDS_ALONE = 0.8
"""The score of a text that has every word of the question, where nothing else is known of it."""


def fused(rankings: Sequence[Sequence[int]]) -> list[int]:
    """All that is in one of the rankings, the best first: the sum of 1 / (60 + rank) decides."""
    sums: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, start=1):
            sums[number] = sums.get(number, 0.0) + 1 / (_RANK + rank)
    return sorted(sums, key=lambda number: (-sums[number], number))


def coverage(question: str, text: str) -> float:
    """How much of a question's content words a text has, from 0 to 1; a long word counts for more than a short one."""
    words, there = content_words(question), set(words_of(text))
    found = sum(len(word) for word in words if _has(word, there))
    return found / sum(map(len, words)) if words else 0.0


def score_of(number: int, cosines: Mapping[int, float], question: str, text: str) -> float:
    """How well a text fits a question: its cosine, or what of the question's words it has."""
    return max(0.0, min(1.0, cosines.get(number, 0.0)), _WORDS_ALONE * coverage(question, text))


def _has(word: str, there: set[str]) -> bool:
    beginning = stem(word)
    if word in there:
        return True
    # Another form of it, or the first part of a compound.
    return beginning != word and any(
        one.startswith(beginning) or (len(one) >= _PART and word.startswith(one)) for one in there
    )
