"""What the nights of known worth come to: who promotes how often, and whether the folds tell the truth. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean
from typing import Any

from trainer.evaluation.evidence import Evidence, Score
from trainer.evaluation.gate import decide, lower_bound
from trainer.settings import GateConfig

__all__ = ["RULES", "summary"]

Line = dict[str, Any]
BINS = ((-9.0, -0.075), (-0.075, -0.025), (-0.025, 0.025), (0.025, 0.075), (0.075, 9.0))
"""Nats by which nights are grouped."""


def _scores(line: Line, name: str) -> tuple[Score, ...]:
    return tuple(Score(**one) for one in line[name])


def _significance(line: Line) -> bool:
    """The gate before: a lower 95 % bound of the hold-out's gain above 0, pair by pair."""
    gains = [one["before"] - one["after"] for one in line["holdout"]]
    return lower_bound(gains, 0.95, 500, 0) > 0.0


def _hold_out(line: Line) -> bool:
    return decide(Evidence(holdout=_scores(line, "holdout")), GateConfig()).promote


def _both(line: Line) -> bool:
    return decide(Evidence(holdout=_scores(line, "holdout"), folds=_scores(line, "folds")), GateConfig()).promote


RULES: dict[str, Callable[[Line], bool]] = {
    "a 95 % test of the hold-out": _significance,
    "expected loss, hold-out": _hold_out,
    "expected loss, hold-out and folds": _both,
}


def summary(lines: Sequence[Line]) -> list[str]:
    """A line for each kind of night and each group of worths, then how close the folds come to the worth."""
    if not lines:
        return ["No night has been judged yet."]
    kinds = dict.fromkeys(line["kind"] for line in lines)
    said = [_row(f"{kind} nights", [line for line in lines if line["kind"] == kind]) for kind in kinds]
    for low, high in BINS:
        some = [line for line in lines if low <= line["worth"] < high]
        if some:
            said.append(_row(f"worth {max(low, -1):+.3f} to {min(high, 1):+.3f}", some))
    return [*said, *_folds(lines)]


def _row(name: str, lines: Sequence[Line]) -> str:
    shares = "; ".join(f"{rule}: {sum(map(judge, lines)) / len(lines):.0%}" for rule, judge in RULES.items())
    pairs = mean(len(line["holdout"]) + len(line["folds"]) for line in lines)
    worth = mean(line["worth"] for line in lines)
    return f"{name}: {len(lines)}, worth {worth:+.3f} on average, judged by {pairs:.0f} pairs; promoted by {shares}"


def _folds(lines: Sequence[Line]) -> list[str]:
    """How far the folds' gain lies from the worth, beside the hold-out's, and what they cost."""
    folded = [line for line in lines if line["folds"]]
    if not folded:
        return []
    said = []
    for name in ("holdout", "folds"):
        off = [mean(one["before"] - one["after"] for one in line[name]) - line["worth"] for line in folded]
        square = mean(one * one for one in off) ** 0.5
        said.append(f"{name}: off the worth by {mean(off):+.3f} on average, {square:.3f} root mean square")
    extra = mean(line["seconds"]["folds"] / line["seconds"]["train"] for line in folded)
    return [*said, f"folds in {len(folded)} of {len(lines)} nights; they take {extra:.2f} times as long as training"]
