"""The two studies, a night at a time: each line they give is one night, and one that was stopped goes on.

`twenty`: one bot, exchanges arriving night by night, the champion measured after each on one hold-out of all nights.
`poison`: a bot that has learned from good exchanges, then one night of each kind, from the same bot each time.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning.conversations import KINDS, Exchange, conversation, corpus, poisoned, shuffled
from benchmarks.learning.home import Measured, Place, Plan
from trainer.snapshot.holdout import is_held_out

__all__ = ["Line", "poison", "twenty"]

Line = dict[str, Any]

FIRST, EACH = 60, 39
"""Exchanges of the first night, enough to begin with, and of every later one."""
TAUGHT, TONIGHT, UNSEEN = 60, 160, 120
"""Poison: exchanges the bot has learned from, exchanges of the night, and clean ones it is measured on."""
SHARE = 0.3
"""Of a poisoned night."""


def twenty(work: Path, models: Path, plan: Plan, nights: int, done: Sequence[Line]) -> Iterator[Line]:
    """One line for the bare base (night 0), then one for each night that is not in `done`."""
    place = Place(work / "twenty", plan, models)
    order, share = shuffled(corpus(), seed=1), plan.settings().training.holdout_share
    first, each = (30, 20) if plan.quick else (FIRST, round(EACH * plan.part))
    by_night = [order[:first], *(order[first + n * each :][:each] for n in range(nights - 1))]
    fixed = [(n, one) for n, batch in enumerate(by_night, 1) for one in batch if is_held_out(conversation(one), share)]
    measured: Measured | None = None
    for night in range(len(done), nights + 1):
        began = time.monotonic()
        run: Line = {"outcome": "", "reason": "", "pairs": 0}
        before = place.champion
        if night:
            place.hear([one for batch in by_night[:night] for one in batch])
            result = place.night()
            run = {"outcome": result.outcome, "reason": result.reason, "pairs": sum(map(len, by_night[:night]))}
        if measured is None or place.champion != before:
            measured = place.measure([one for _, one in fixed])
        tonight = [nll for nll, (when, _) in zip(measured.nlls, fixed, strict=True) if when == night]
        yield {
            "study": "twenty",
            "night": night,
            **run,
            "champion": place.champion,
            "holdout_nll": measured.nll,
            "holdout_pairs": len(fixed),
            "tonight_nll": sum(tonight) / len(tonight) if tonight else None,
            "general": measured.general,
            "set_aside": len(place.set_aside()),
            "seconds": round(time.monotonic() - began, 1),
        }


def poison(work: Path, models: Path, plan: Plan, seed: int, done: Sequence[Line]) -> Iterator[Line]:
    """One line for the night that teaches the bot, then one for each kind of night that is not in `done`."""
    sizes = (30, 20, 20) if plan.quick else (round(size * plan.part) for size in (TAUGHT, TONIGHT, UNSEEN))
    taught, tonight, unseen = sizes
    order = shuffled(corpus(), seed=100 + seed)
    # Measured on questions that no night holds.
    unseen_questions = list(dict.fromkeys(one.question for one in order))[-unseen:]
    clean = [one for one in order if one.question in set(unseen_questions)][:unseen]
    rest = [one for one in order if one.question not in set(unseen_questions)]
    good, fresh = rest[:taught], rest[taught : taught + tonight]
    taught_home = work / f"poison-{seed}"
    if not done:
        shutil.rmtree(taught_home, ignore_errors=True)
        yield _taught(Place(taught_home, plan, models), seed, good, clean)
    base = Place(taught_home, plan, models)
    before = base.measure(clean) if len(done) <= len(KINDS) else None
    first = seed % len(KINDS)  # so that a study that ends early has some nights of each kind
    for kind in (*KINDS[first:], *KINDS[:first]):
        if before is not None and all(line.get("kind") != kind for line in done):
            copy = work / f"poison-{seed}-{kind}"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(taught_home, copy, symlinks=True)
            yield _night(Place(copy, plan, models), seed, kind, fresh, before=before, clean=clean)
            shutil.rmtree(copy, ignore_errors=True)


def _taught(place: Place, seed: int, good: Sequence[Exchange], clean: Sequence[Exchange]) -> Line:
    began = time.monotonic()
    base = place.measure(clean)
    place.hear(good)
    result = place.night()
    return {
        "study": "poison",
        "seed": seed,
        "kind": "taught",
        "outcome": result.outcome,
        "reason": result.reason,
        "pairs": len(good),
        "nll_base": base.nll,
        "general_base": base.general,
        "set_aside": len(place.set_aside()),
        "seconds": round(time.monotonic() - began, 1),
    }


def _night(
    place: Place, seed: int, kind: str, fresh: list[Exchange], *, before: Measured, clean: Sequence[Exchange]
) -> Line:
    began = time.monotonic()
    exchanges, bad = poisoned(fresh, kind, SHARE, seed)
    champion, earlier = place.champion, place.set_aside()
    ids = place.hear(exchanges)
    result = place.night()
    caught = place.set_aside() - earlier
    after = before if place.champion == champion else place.measure(clean)
    return {
        "study": "poison",
        "seed": seed,
        "kind": kind,
        "outcome": result.outcome,
        "reason": result.reason,
        "pairs": len(exchanges),
        "poisoned": sum(bad),
        "caught": sum(one in caught for one, is_bad in zip(ids, bad, strict=True) if is_bad),
        "wrongly": len(caught) - sum(one in caught for one, is_bad in zip(ids, bad, strict=True) if is_bad),
        "nll_before": before.nll,
        "nll_after": after.nll,
        "general_before": before.general,
        "general_after": after.general,
        "seconds": round(time.monotonic() - began, 1),
    }
