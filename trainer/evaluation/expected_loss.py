"""What promoting would cost on average, given what the pairs show: expected loss instead of significance. Pure.

With m the mean gain over the pairs, se its standard error and z = m / se, the true gain is taken to lie around m as
Student's t says (a flat prior and a normal mean give that). Promoting an adapter whose true gain is negative costs that
much, so the expected loss is E[max(-gain, 0)]; for many conversations it is se (phi(z) - z (1 - Phi(z))). A 95 % test
asks another question: it keeps a night that is worth 0.05 nats four times in five when twenty pairs judge.

Pairs of one conversation resemble each other, so the standard error adds them up by conversation first.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Gain", "expected_loss", "gain_of", "lower_bound"]

_STEPS = 400
"""Steps of Simpson's rule for Student's distribution: exact to 1e-9 where it is used."""


@dataclass(frozen=True)
class Gain:
    """How much better the challenger is on some pairs.

    Attributes:
        mean: of the differences, in nats a token; above 0 is better.
        error: standard error of the mean, by conversation; infinite with a single conversation.
        pairs: how many differences there are.
        conversations: how many conversations they are from.
    """

    mean: float
    error: float
    pairs: int
    conversations: int

    @property
    def expected_loss(self) -> float:
        """Nats a token that promoting costs on average."""
        return expected_loss(self.mean, self.error, self.conversations - 1)


def gain_of(differences: Sequence[float], conversations: Sequence[str] = ()) -> Gain:
    """The mean difference and how sure it is.

    Args:
        differences: one per pair, at least one.
        conversations: of each pair; "" is one of its own, and none given: all are.
    """
    groups = _groups(differences, conversations)
    mean, count = sum(differences) / len(differences), len(groups)
    if count < 2:
        return Gain(mean, math.inf, len(differences), count)
    spread = sum((sum(group) - len(group) * mean) ** 2 for group in groups)
    error = math.sqrt(count / (count - 1) * spread) / len(differences)
    return Gain(mean, error, len(differences), count)


def expected_loss(mean: float, error: float, degrees: int) -> float:
    """E[max(-gain, 0)] where the gain lies around `mean` with a standard error, by Student's t.

    Args:
        mean: in any unit.
        error: in the same one.
        degrees: of freedom; below 2 nobody knows, and the loss is infinite.
    """
    if math.isnan(mean) or degrees < 2 or math.isinf(error):
        return math.inf
    if error == 0.0:
        return max(-mean, 0.0)
    z = mean / error
    density = _density(z, degrees)
    return error * ((degrees + z * z) / (degrees - 1) * density - z * _above(z, degrees))


def lower_bound(
    differences: Sequence[float],
    confidence: float,
    resamples: int,
    seed: int,
    conversations: Sequence[str] = (),
) -> float:
    """The lower end of a one-sided percentile bootstrap interval of the mean (Efron 1979), the same for the same seed.

    Args:
        differences: one per pair, at least one.
        confidence: for example 0.95.
        resamples: how often the conversations are drawn anew.
        seed: of the drawing.
        conversations: of each pair, as in `gain_of`.
    """
    draw = random.Random(seed)
    groups = [(sum(group), len(group)) for group in _groups(differences, conversations)]
    means = []
    for _ in range(resamples):
        drawn = draw.choices(groups, k=len(groups))
        means.append(sum(total for total, _ in drawn) / sum(count for _, count in drawn))
    return sorted(means)[int((1.0 - confidence) * resamples)]


def _groups(differences: Sequence[float], conversations: Sequence[str]) -> list[list[float]]:
    groups: dict[str | int, list[float]] = {}
    for number, difference in enumerate(differences):
        name = conversations[number] if conversations else ""
        groups.setdefault(name or number, []).append(difference)
    return list(groups.values())


def _density(x: float, degrees: int) -> float:
    """Student's t."""
    scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - 0.5 * math.log(degrees * math.pi)
    return math.exp(scale - (degrees + 1) / 2 * math.log1p(x * x / degrees))


def _above(x: float, degrees: int) -> float:
    """The chance of more than x under Student's t.

    With x = sqrt(degrees) tan(angle) the density becomes a power of the cosine, which Simpson's rule takes from 0 on;
    beyond twelve standard deviations there is nothing.
    """
    root = math.sqrt(degrees)
    step = min(math.atan(abs(x) / root), 12.0 / root) / _STEPS
    heights = [math.cos(number * step) ** (degrees - 1) for number in range(_STEPS + 1)]
    area = step / 3 * (heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2]))
    between = min(0.5, _density(0.0, degrees) * root * area)
    return 0.5 - between if x >= 0 else 0.5 + between
