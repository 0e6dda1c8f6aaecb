"""What the nights of a study come to, in words and figures. Pure: lines in, sentences out."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean
from typing import Any

__all__ = ["summary"]

Line = dict[str, Any]

ROUNDING = 1e-3
"""Nats: what the same adapter differs by from one measurement to the next, batches being cut differently."""
ABILITY = 2.0
"""How far general ability may move, in %."""


def summary(lines: Sequence[Line]) -> list[str]:
    """A sentence for each claim: whether it holds, and the figures."""
    twenty = [line for line in lines if line["study"] == "twenty"]
    poison = [line for line in lines if line["study"] == "poison"]
    return [*_twenty(twenty), *_poison(poison)]


def _twenty(lines: Sequence[Line]) -> list[str]:
    if len(lines) < 2:
        return []
    nlls = [line["holdout_nll"] for line in lines]
    rises = [
        line["night"] for line, before in zip(lines[1:], nlls, strict=False) if line["holdout_nll"] > before + ROUNDING
    ]
    outcomes = [line["outcome"] for line in lines[1:]]
    ability = [line["general"]["probability"] for line in lines]
    moved = max((100 * (one / ability[0] - 1) for one in ability), key=abs)
    right = [line["general"]["right"] for line in lines]
    counts = ", ".join(f"{outcomes.count(one)} {one}" for one in dict.fromkeys(outcomes))
    fall = f"{nlls[0]:.3f} to {nlls[-1]:.3f} ({100 * (nlls[-1] / nlls[0] - 1):+.1f} %)"
    questions = f"questions right {right[0]:.0f} % at first, {min(right):.0f} to {max(right):.0f} % over all nights"
    return [
        f"{len(outcomes)} nights: {counts}",
        f"{_holds(not rises)}: the champion's hold-out loss never rises{f' (it rose on {rises})' if rises else ''}",
        f"{_holds(nlls[-1] < nlls[0])}: it falls overall, {fall} over {lines[0]['holdout_pairs']} pairs",
        (
            f"{_holds(abs(moved) <= ABILITY)}: general ability stays within {ABILITY:.0f} %: the right answer's "
            f"probability moves by {moved:+.2f} % of {ability[0]:.1f} at most; {questions}"
        ),
    ]


def _poison(lines: Sequence[Line]) -> list[str]:
    said = []
    for kind in dict.fromkeys(line["kind"] for line in lines if line["kind"] != "taught"):
        nights = [line for line in lines if line["kind"] == kind]
        worse = [line for line in nights if line["nll_after"] > line["nll_before"] + ROUNDING]
        outcomes = [line["outcome"] for line in nights]
        counts = ", ".join(f"{outcomes.count(one)} {one}" for one in dict.fromkeys(outcomes))
        change = [line["nll_after"] - line["nll_before"] for line in nights]
        poisoned, clean = (
            sum(line["poisoned"] for line in nights),
            sum(line["pairs"] - line["poisoned"] for line in nights),
        )
        caught, wrongly = sum(line["caught"] for line in nights), sum(line["wrongly"] for line in nights)
        said.append(
            f"{kind}: {len(nights)} nights, {counts}; worse after {len(worse)}; "
            f"set aside {caught} of {poisoned} poisoned pairs and {wrongly} of {clean} good ones; "
            f"clean loss changes by {mean(change):+.3f} ({min(change):+.3f} to {max(change):+.3f})"
        )
    return said


def _holds(holds: bool) -> str:
    return "holds" if holds else "FAILS"
