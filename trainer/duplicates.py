"""Duplicates: pairs that are the same to a reader, word for word or nearly.

Exact ones are equal after normalising case, width and spacing. Near ones are found with MinHash and locality-sensitive
hashing (Broder 1997; the `datasketch` library) and then compared exactly, so that no pair is dropped by chance. Pure.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence

import numpy as np

from storage.records import Pair

__all__ = ["digest", "near_duplicates", "sameness", "similarity"]

SHINGLE = 5
"""Characters in a shingle: about a word, so that a changed word costs few of them."""
PERMUTATIONS = 128
SLACK = 0.15
"""How much less alike two sketches may be to be compared exactly: hashing at the threshold itself misses a quarter."""
MIN_SHINGLES = 20
"""Texts with fewer are compared whole only: one letter makes another answer of them."""


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


def similarity(first: frozenset[int], second: frozenset[int]) -> float:
    """Jaccard's index of two sets of shingles, 0 to 1."""
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def near_duplicates(pairs: Sequence[Pair], threshold: float) -> list[list[int]]:
    """Groups (of indices, in order) of pairs that are alike both in what was said before and in the answer.

    Two belong together when the shingles of both overlap by `threshold`; so do two that a third connects.
    A threshold of 1 finds nothing: exact duplicates are gone before.
    """
    from datasketch import MinHash, MinHashLSH

    if threshold >= 1.0:
        return []
    texts = [f"{_prompt(pair)}\n{_normalised(pair.completion)}" for pair in pairs]
    candidates = [index for index, text in enumerate(texts) if len(text) >= MIN_SHINGLES + SHINGLE - 1]
    index_of = MinHashLSH(threshold=max(0.1, threshold - SLACK), num_perm=PERMUTATIONS)
    parent = list(range(len(pairs)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    minhash = MinHash(num_perm=PERMUTATIONS, hashfunc=_identity)
    for index in candidates:
        sketch = minhash.copy()
        sketch.update_batch(list(_shingles(texts[index])))
        for other in index_of.query(sketch):
            if _alike(pairs[index], pairs[other], threshold):
                parent[root(index)] = root(other)
        index_of.insert(index, sketch, check_duplication=False)
    groups: dict[int, list[int]] = {}
    for index in candidates:
        groups.setdefault(root(index), []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def _alike(first: Pair, second: Pair, threshold: float) -> bool:
    """Whether both the conversations and the answers overlap: one answer to two questions is two pairs."""
    return all(
        similarity(_shingles(one), _shingles(other)) >= threshold
        for one, other in (
            (_prompt(first), _prompt(second)),
            (_normalised(first.completion), _normalised(second.completion)),
        )
    )


def _prompt(pair: Pair) -> str:
    return "\n".join(_normalised(turn.content) for turn in pair.turns)


def _shingles(text: str) -> frozenset[int]:
    """Hashes (32 bits) of the runs of `SHINGLE` characters; of the whole text if it is shorter."""
    data = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    if len(data) < SHINGLE:
        return frozenset([hash(data.tobytes()) & 0xFFFFFFFF]) if len(data) else frozenset()
    windows = np.lib.stride_tricks.sliding_window_view(data, SHINGLE)
    powers = np.array([0x9E3779B1**k % 2**64 for k in range(SHINGLE)], dtype=np.uint64)
    mixed = (windows * powers).sum(axis=1, dtype=np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return frozenset((mixed >> np.uint64(32)).tolist())


def _identity(value: int) -> int:
    return value


def _normalised(text: str) -> str:
    return " ".join((text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold().split())
