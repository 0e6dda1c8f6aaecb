"""Who asks when, in the simulation of many servers: Zipf over the servers, Poisson in time. Pure and seeded."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

__all__ = ["Traffic", "arrivals", "shares"]


@dataclass(frozen=True)
class Traffic:
    """Who asks how much.

    Attributes:
        servers: how many; the n-th asks in proportion to 1 / n ** exponent (Zipf).
        messages: questions of all of them in a day.
        peak: how many times the mean the busiest hour has.
        answer_tokens: mean length of an answer; lengths are drawn from an exponential distribution.
        seed: of everything that is drawn.
    """

    servers: int = 1000
    messages: int = 100_000
    exponent: float = 1.0
    peak: float = 3.0
    answer_tokens: float = 80.0
    seed: int = 1


def shares(traffic: Traffic) -> list[float]:
    """Each server's share of the questions."""
    weights = [1 / place**traffic.exponent for place in range(1, traffic.servers + 1)]
    whole = sum(weights)
    return [weight / whole for weight in weights]


def arrivals(traffic: Traffic, seconds: float) -> list[tuple[float, int]]:
    """When which server asks within the busiest hour: (seconds, server), as independent people do (Poisson)."""
    draw, upto = random.Random(traffic.seed), list(accumulate(shares(traffic)))
    rate, at, found = traffic.messages * traffic.peak / 86_400, 0.0, list[tuple[float, int]]()
    while (at := at + draw.expovariate(rate)) < seconds:
        found.append((at, min(bisect_left(upto, draw.random()), traffic.servers - 1)))
    return found
