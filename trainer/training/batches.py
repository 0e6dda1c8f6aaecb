"""Which pairs make an optimizer step, and how a step is cut into forward passes. Pure: lengths in, indices out.

A step is `batch` pairs whatever their length, so the recipe keeps its meaning. Neighbours in length share a step, so
that next to nothing is padded; which neighbours, and in what order the steps come, the seed decides. A step then runs
in as few passes as its memory allows; its loss is divided by the labelled tokens of the whole step, so how it was cut
changes no gradient.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

__all__ = ["cut", "plan_steps"]

_POOL_STEPS = 50
"""Steps whose pairs are sorted together, as in transformers' LengthGroupedSampler; a quarter of the data at most."""


def plan_steps(lengths: Sequence[int], *, batch: int, epochs: float, seed: int) -> list[tuple[int, ...]]:
    """The indices of the pairs of each optimizer step, for the whole training.

    Args:
        lengths: of each pair, in tokens.
        batch: pairs in a step; the last step of an epoch may have fewer.
        epochs: passes over the pairs; a broken number ends in the middle of one.
        seed: equal seeds give equal plans.
    """
    total = max(1, math.ceil(epochs * math.ceil(len(lengths) / batch)))
    steps: list[tuple[int, ...]] = []
    for epoch in range(math.ceil(epochs)):
        steps += _one_epoch(lengths, batch, random.Random(f"{seed} {epoch}"))
    return steps[:total]


def _one_epoch(lengths: Sequence[int], batch: int, chance: random.Random) -> list[tuple[int, ...]]:
    order = list(range(len(lengths)))
    chance.shuffle(order)
    pool = batch * max(1, min(_POOL_STEPS, len(lengths) // (4 * batch)))
    steps = []
    for start in range(0, len(order), pool):
        together = sorted(order[start : start + pool], key=lambda index: lengths[index])
        steps += [tuple(together[at : at + batch]) for at in range(0, len(together), batch)]
    chance.shuffle(steps)
    return steps


def cut(indices: Sequence[int], lengths: Sequence[int], *, rows: int, tokens: int, pass_cost: int) -> list[list[int]]:
    """Cut one step into forward passes so that passes and padding together cost least.

    Args:
        indices: the pairs of the step.
        lengths: of all pairs, in tokens.
        rows: most pairs in a pass.
        tokens: most tokens in a pass, padding included; a pair that is longer still has a pass to itself.
        pass_cost: what one more pass costs, as the time of so many tokens: unpacking the weights, starting the kernels.
    """
    order = sorted(indices, key=lambda index: lengths[index])
    # cheapest[n]: the least cost of the first n pairs, and where their last pass begins.
    cheapest: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        fewest = max(0, end - rows, end - max(1, tokens // longest))
        cheapest.append(
            min((cheapest[begin][0] + (end - begin) * longest + pass_cost, begin) for begin in range(fewest, end))
        )
    passes = []
    end = len(order)
    while end:
        begin = cheapest[end][1]
        passes.append(order[begin:end])
        end = begin
    return passes[::-1]
