"""Duplicates: pairs that are the same to a reader, word for word or nearly.

Exact ones are equal after normalising case, width and spacing. Near ones are found with MinHash and locality-sensitive
hashing (Broder 1997; the `datasketch` library) and then compared exactly, so that no pair is dropped by chance. Pure.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.pair_records import Pair

__all__ = ["digest", "near_duplicates", "sameness", "similarity"]

SHINGLE = 5
"""Characters in a shingle: about a word, so that a changed word costs few of them."""
MIN_CHARACTERS = 24
"""Shorter pairs are compared whole only: one letter makes another answer of them."""
BANDS, ROWS = 25, 5
"""Two pairs are compared when in one band of 25 five values agree for the conversation and five for the answer: at an
overlap of 0.85 of both, 996 of 1,000 are; at 0.3 of one and all of the other, 6 of 100."""
SLACK = 0.15
"""How much less alike two sketches may be to be compared exactly."""
MOST_COMPARED = 50
"""Pairs that one is compared with in vain: where hundreds share an answer, the work must not grow with their square."""

Shingles = NDArray[np.uint32]
"""Sorted hashes, each once."""


def digest(pair: Pair) -> str:
    """A hash of a pair's words: roles, turns and completion. Who said them and when does not count."""
    parts = [*([turn.role, turn.content] for turn in pair.turns), pair.completion]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:32]


def sameness(pair: Pair) -> bytes:
    """Equal (8 bytes) for two pairs that differ in case, width or spacing at most: duplicates to a reader."""
    parts = [f"{turn.role}\x1f{_normalised(turn.content)}" for turn in pair.turns]
    parts.append(_normalised(pair.completion))
    # A separator is white space, of which normalised text has nothing but spaces.
    return hashlib.blake2b("\x1e".join(parts).encode(), digest_size=8).digest()


def similarity(first: Shingles, second: Shingles) -> float:
    """Jaccard's index of two sets of shingles, 0 to 1."""
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / max(1, len(first) + len(second) - shared)


def near_duplicates(pairs: Sequence[Pair], threshold: float) -> list[list[int]]:
    """Groups (of indices, in order) of pairs that are alike both in what was said before and in the answer.

    Two belong together when the shingles of both overlap by `threshold`; so do two that a third connects.
    A threshold of 1 finds nothing: exact duplicates are gone before.
    """
    from datasketch import MinHash, MinHashLSH

    if threshold >= 1.0:
        return []
    parent = list(range(len(pairs)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    narrow, wide = MinHash(num_perm=BANDS * ROWS, hashfunc=int), MinHash(num_perm=2 * BANDS * ROWS)
    index_of = MinHashLSH(num_perm=2 * BANDS * ROWS, params=(BANDS, 2 * ROWS))
    known: dict[int, tuple[tuple[Shingles, Shingles], Any]] = {}
    for index, pair in enumerate(pairs):
        texts = "\n".join(_normalised(turn.content) for turn in pair.turns), _normalised(pair.completion)
        if sum(map(len, texts)) < MIN_CHARACTERS:
            continue
        shingles = _shingles(texts[0]), _shingles(texts[1])
        sketch = wide.copy()
        sketch.hashvalues = _values(narrow, shingles)
        for other in index_of.query(sketch)[:MOST_COMPARED]:
            theirs, their_sketch = known[other]
            if sketch.jaccard(their_sketch) >= threshold - SLACK and all(
                similarity(mine, yours) >= threshold for mine, yours in zip(shingles, theirs, strict=True)
            ):
                parent[root(index)] = root(other)
                break  # whatever else is alike is alike to that one, or soon will be
        known[index] = shingles, sketch
        index_of.insert(index, sketch, check_duplication=False)
    groups: dict[int, list[int]] = {}
    for index in known:
        groups.setdefault(root(index), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def _values(narrow: Any, shingles: tuple[Shingles, Shingles]) -> Any:
    """Band for band the values of the conversation and those of the answer, so that a band agrees on both or not."""
    rows = []
    for side in shingles:
        sketch = narrow.copy()
        sketch.update_batch(side.tolist())
        rows.append(sketch.hashvalues.reshape(BANDS, ROWS))
    return np.hstack(rows).ravel()


def _shingles(text: str) -> Shingles:
    """Hashes of the runs of `SHINGLE` characters; of the whole text if it is shorter."""
    data = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(data, min(SHINGLE, max(1, len(data)))) if len(data) else data
    powers = np.array([0x9E3779B1**k % 2**64 for k in range(windows.shape[-1])], dtype=np.uint64)
    mixed = (windows * powers).sum(axis=-1, dtype=np.uint64) if len(data) else data
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return np.unique((mixed >> np.uint64(32)).astype(np.uint32))


def _normalised(text: str) -> str:
    return " ".join((text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold().split())
