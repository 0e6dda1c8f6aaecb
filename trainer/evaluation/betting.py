"""Evidence that a candidate beats the champion, valid whenever one looks: an e-process by betting. Pure.

Each night the pairs approved since are scored by champion and candidate, which have both learned from none of them. A
gambler who believes in the candidate stakes a share of the wealth on every conversation: wealth *= 1 + bet * x, with x
the gain in nats, cut to at most 1. If the candidate is no better, no way of stopping makes more than 20 times the first
stake likelier than one in twenty (Ville's inequality; Waudby-Smith and Ramdas 2023, arXiv:2010.09686). Several
gamblers play with different stakes, since nobody knows the gain; the evidence is their mean.

That holds for gamblers who can pay: one with the stake `bet` can lose 1 / bet nats at once and is ruined by more. So
large losses that are rare ruin the bold gamblers first, and the decision also asks for the mean gain, which nothing
cuts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = ["BETS", "counted_gain", "evidence", "wealth_after"]

BETS = (0.05, 0.15, 0.4, 0.8)
"""Shares of the wealth, from the stake for a gain of a hundredth of a nat to that for a large one."""

_RUINED = 1e-3
"""Share of the wealth that a ruined gambler keeps, so that later pairs still count a little."""


def wealth_after(wealth: Sequence[float], gains: Mapping[str, Sequence[float]]) -> tuple[float, ...]:
    """What each gambler has after these conversations.

    Args:
        wealth: of each one before; empty at the start.
        gains: of the pairs of each conversation, in nats a token.
    """
    now = list(wealth) or [1.0] * len(BETS)
    for pairs in gains.values():
        gain = min(1.0, sum(counted_gain(one) for one in pairs) / len(pairs))
        now = [one * max(_RUINED, 1.0 + bet * gain) for one, bet in zip(now, BETS, strict=True)]
    return tuple(now)


def counted_gain(nats: float) -> float:
    """A gain as it counts: one that is no number, since a loss is none, counts as a loss of one nat."""
    return nats if math.isfinite(nats) else -1.0


def evidence(wealth: Sequence[float]) -> float:
    """The mean wealth: 1 is nothing, 20 is believed."""
    return sum(wealth) / len(wealth) if wealth else 1.0
