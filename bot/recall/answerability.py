"""How likely an answer is right: a probability from what was found for the question and how sure the model was.

Logistic regression (scikit-learn) on the server's own reviewed answers; until there are enough, on the facts and
questions of `make bench-memory`. Plain functions, but for a server's last fit.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from storage.async_store import AsyncStore
from storage.recall_records import Reviewed
from storage.store import Store

__all__ = ["DEFAULT", "Answerability", "Bin", "Curve", "fitted", "reliability"]

_ENOUGH, _OF_EACH = 40, 10
"""Reviewed answers, and of them approved and not approved, from which a server gets a fit of its own."""

_AGAIN = 10  # more reviewed answers until the next fit
_UNKNOWN = 0.5  # the confidence of an engine that does not say


@dataclass(frozen=True)
class Curve:
    """Weights of the best score and of the confidence, and the constant, before the logistic function."""

    best: float
    confidence: float
    constant: float

    def __call__(self, best: float, confidence: float | None) -> float:
        """The probability, from 0 to 1."""
        sure = _UNKNOWN if confidence is None else confidence
        return 1 / (1 + math.exp(-(self.best * best + self.confidence * sure + self.constant)))


DEFAULT = Curve(best=20.0, confidence=1.0, constant=-10.5)
"""Even chances at a best score of 0.5: of 40 facts one is below it, of 40 unanswerable questions three are above."""


@dataclass(frozen=True)
class Bin:
    """Reviewed answers whose probability was about the same: its mean, and the share that was approved."""

    predicted: float
    approved: float
    count: int


def fitted(rows: Sequence[Reviewed]) -> Curve:
    """The curve of these answers; the default where they are too few or all alike. Not for the event loop."""
    good = sum(row.approved for row in rows)
    if len(rows) < _ENOUGH or min(good, len(rows) - good) < _OF_EACH:
        return DEFAULT
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        return DEFAULT
    features = [[row.best, _UNKNOWN if row.confidence is None else row.confidence] for row in rows]
    model = LogisticRegression(C=10.0).fit(features, [row.approved for row in rows])
    best, confidence = model.coef_[0]
    return Curve(float(best), float(confidence), float(model.intercept_[0]))


def reliability(rows: Sequence[Reviewed], curve: Curve, bins: int = 5) -> list[Bin]:
    """What was predicted beside what moderators said, in bins of equal width; empty ones are left out."""
    found: list[Bin] = []
    scored = [(curve(row.best, row.confidence), row.approved) for row in rows]
    for number in range(bins):
        inside = [one for one in scored if min(bins - 1, int(one[0] * bins)) == number]
        if inside:
            share = sum(approved for _, approved in inside) / len(inside)
            found.append(Bin(sum(score for score, _ in inside) / len(inside), share, len(inside)))
    return found


class Answerability:
    """The probability for each server, fitted again as moderators review."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._curves: dict[int, tuple[int, Curve]] = {}  # with how many answers it was fitted on

    async def of(self, guild_id: int, best: float, confidence: float | None) -> float:
        """How likely an answer on a server is right."""
        rows = await self._store.read(Store.reviewed_answers, guild_id)
        known = self._curves.get(guild_id)
        if known is None or len(rows) >= known[0] + _AGAIN:
            known = self._curves[guild_id] = len(rows), await asyncio.to_thread(fitted, rows)
        return known[1](best, confidence)
