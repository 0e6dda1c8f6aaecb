"""Which pairs of a step share a packed pass, and how large it is made. Pure: lengths in, indices out.

A packed pass holds its pairs one behind the other, with attention within each, so nothing is padded but the end of the
pass. Sizes that come often are captured once and replayed; a pass may use a larger captured size than it needs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

__all__ = ["MOST_REST", "PASS_TOKENS", "pack", "size_among", "size_of", "sizes_to_capture"]

PASS_TOKENS = 4096
"""Most tokens of a pass: beyond, products become no faster, and activations take memory."""
_GRAIN = 64
# In tokens of a captured pass, as measured on one H100 whose host starts kernels slowly (docs/lab/performance.md).
_CAPTURING = 3600
_NOT_CAPTURED = 1500
MOST_REST = _NOT_CAPTURED + _GRAIN
"""Tokens at the end of a pass that belong to no pair, at most."""


def pack(indices: Sequence[int], lengths: Sequence[int], *, tokens: int, rows: int) -> list[list[int]]:
    """Cut one step into passes of about equal size: as few as possible, each with at least one pair.

    Args:
        indices: the pairs of the step.
        lengths: of all pairs, in tokens.
        tokens: most in a pass; a pair that is longer still has a pass to itself.
        rows: most pairs in a pass.
    """
    largest_first = sorted(indices, key=lambda index: -lengths[index])
    whole = sum(lengths[index] for index in indices)
    for count in range(max(1, math.ceil(whole / tokens), math.ceil(len(indices) / rows)), len(indices)):
        passes = _spread(largest_first, lengths, count, rows)
        if all(sum(lengths[index] for index in one) <= tokens or len(one) == 1 for one in passes):
            return passes
    return [[index] for index in largest_first]


def _spread(largest_first: Sequence[int], lengths: Sequence[int], count: int, rows: int) -> list[list[int]]:
    """Each pair to the pass with the fewest tokens among those that have room for one more."""
    passes: list[list[int]] = [[] for _ in range(count)]
    sums = [0] * count
    for index in largest_first:
        emptiest = min(range(count), key=lambda one: (len(passes[one]) >= rows, sums[one]))
        passes[emptiest].append(index)
        sums[emptiest] += lengths[index]
    return passes


def size_of(tokens: int) -> int:
    """The size of a pass of its own for so many tokens: a multiple of 64."""
    return -(-tokens // _GRAIN) * _GRAIN


def size_among(tokens: int, captured: Collection[int]) -> int:
    """The size for so many tokens: the next one captured, if it costs less than not being captured, else its own."""
    least = min((size for size in captured if size >= tokens), default=0)
    own = size_of(tokens)
    return least if least and least - own <= _NOT_CAPTURED else own


def sizes_to_capture(passes: Iterable[int]) -> list[int]:
    """The sizes, largest first, with which a training takes least time, capturing them included.

    Args:
        passes: tokens of each pass to come.
    """
    uses = sorted(Counter(size_of(tokens) for tokens in passes).items())
    # best[n]: the least cost of the n smallest sizes, and the sizes that it takes.
    best: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    for end, (size, count) in enumerate(uses, 1):
        cost, sizes = best[end - 1]
        found = [(cost + count * (size + _NOT_CAPTURED), sizes)]
        replays = 0
        for start in range(end - 1, -1, -1):
            replays += uses[start][1]
            cost, sizes = best[start]
            found.append((cost + _CAPTURING + replays * size, (size, *sizes)))
        best.append(min(found))
    return list(best[-1][1])
