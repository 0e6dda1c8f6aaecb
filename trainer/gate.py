"""Is the challenger better? The one place that decides, from figures alone, and says why in words.

Pure: dataclasses in, a decision out, the same for the same figures. Knows no model, no store, no file.

A challenger replaces the champion only when all checks pass:

- **better**: with d_i = NLL_champion(i) - NLL_challenger(i) over the held-out pairs i (nats per completion token), the
  lower bound of a one-sided paired bootstrap interval of mean(d) is above 0. A tie keeps the champion.
- **older**: on held-out pairs approved before the champion was made, the mean NLL rises by no more than a tolerance
  (a share of it).
- **general**: on a fixed set of general questions, the mean loss of choosing the right answer over a wrong one,
  -log(P(right) / (P(right) + P(wrong))), rises over the bare base's by no more than a tolerance in nats. A voice makes
  every plain answer less likely, right or wrong, which a plain NLL would take for forgetting; the choice does not mind.
  The reference is the base, not the champion: many small steps down would each pass otherwise.
- **stops, varied, speaks**: sampled replies end by themselves, do not go round in circles, and are not empty.
"""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trainer.settings import GateConfig

__all__ = ["Check", "Decision", "Evidence", "Sample", "Score", "decide", "goes_in_circles", "lower_bound"]

CIRCLES = 2.4
"""Bytes per compressed byte above which a text repeats itself; the threshold of Whisper (Radford et al. 2022, 4.5)."""


@dataclass(frozen=True)
class Score:
    """One loss in nats before (under the model to beat) and after (under the challenger).

    `older`: the pair was approved before the champion was made.
    """

    before: float
    after: float
    older: bool = False


@dataclass(frozen=True)
class Sample:
    """One greedy reply of the challenger. `stopped`: it ended by itself, within the limit of tokens."""

    prompt: str
    text: str
    stopped: bool


@dataclass(frozen=True)
class Evidence:
    """Everything the gate looks at.

    Attributes:
        holdout: mean negative log-likelihood of each held-out pair's completion tokens, champion against challenger.
        general: loss of each general choice, bare base against challenger.
        samples: greedy replies of the challenger to held-out prompts.
    """

    holdout: tuple[Score, ...]
    general: tuple[Score, ...] = ()
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Check:
    """One condition, its outcome in a sentence, and the figures behind it."""

    name: str
    passed: bool
    sentence: str
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """Whether to promote, why in one sentence, and every check that was made."""

    promote: bool
    reason: str
    checks: tuple[Check, ...]


def decide(evidence: Evidence, config: GateConfig) -> Decision:
    """Make every check; promote only if all pass. The reason names what failed, or by how much the challenger won."""
    checks = (
        _better(evidence.holdout, config),
        _older(evidence.holdout, config.older_tolerance),
        _general(evidence.general, config.general_tolerance),
        *_replies(evidence.samples, config),
    )
    failed = [check for check in checks if not check.passed]
    if failed:
        reason = "The champion stays: " + "; ".join(check.sentence for check in failed) + "."
    else:
        reason = f"The challenger wins: {checks[0].sentence}."
    return Decision(not failed, reason, checks)


def lower_bound(differences: Sequence[float], confidence: float, resamples: int, seed: int) -> float:
    """The lower end of a one-sided percentile bootstrap interval of the mean (Efron 1979), the same for the same seed.

    Args:
        differences: one per pair, at least one.
        confidence: for example 0.95.
        resamples: how often the pairs are drawn anew.
        seed: of the drawing.
    """
    draw, size = random.Random(seed), len(differences)
    means = sorted(sum(draw.choices(differences, k=size)) / size for _ in range(resamples))
    return means[int((1.0 - confidence) * resamples)]


def goes_in_circles(text: str) -> bool:
    """Whether a text repeats itself so much that it compresses as no ordinary text does, in whatever language."""
    raw = text.encode()
    return len(raw) > CIRCLES * len(zlib.compress(raw, 9))


def _better(scores: Sequence[Score], config: GateConfig) -> Check:
    if not scores:
        return Check("better", False, "there is no held-out pair to judge by")
    before, after = _means(scores)
    bound = lower_bound(
        [score.before - score.after for score in scores], config.confidence, config.resamples, config.seed
    )
    figures = {"before": before, "after": after, "lower_bound": bound, "pairs": float(len(scores))}
    change = f"hold-out loss {before:.3f} to {after:.3f} over {len(scores)} pairs"
    if bound > 0.0:
        return Check("better", True, f"{change}, an improvement of at least {bound:.3f}", figures)
    return Check("better", False, f"{change} is no certain improvement (lower bound {bound:.3f})", figures)


def _older(scores: Sequence[Score], tolerance: float) -> Check:
    older = [score for score in scores if score.older]
    if not older:
        return Check("older", True, "no held-out pair is older than the champion")
    before, after = _means(older)
    figures = {"before": before, "after": after, "pairs": float(len(older))}
    sentence = f"loss on {len(older)} pairs older than the champion {before:.3f} to {after:.3f}"
    if after <= before * (1.0 + tolerance):
        return Check("older", True, sentence, figures)
    return Check("older", False, f"{sentence}, a rise of more than {tolerance:.0%}", figures)


def _general(scores: Sequence[Score], tolerance: float) -> Check:
    if not scores:
        return Check("general", True, "no general questions were asked")
    before, after = _means(scores)
    # Right and wrong are equally likely where the loss is log 2.
    right = sum(score.after < math.log(2) for score in scores)
    figures = {"before": before, "after": after, "right": float(right), "questions": float(len(scores))}
    sentence = f"loss on general questions {before:.3f} to {after:.3f}, {right} of {len(scores)} right"
    if after <= before + tolerance:
        return Check("general", True, sentence, figures)
    return Check("general", False, f"{sentence}, a rise of more than {tolerance:.2f}", figures)


def _replies(samples: Sequence[Sample], config: GateConfig) -> list[Check]:
    faults: tuple[tuple[str, float, str, Callable[[Sample], bool]], ...] = (
        ("stops", config.max_unstopped, "do not stop", lambda one: not one.stopped),
        ("varied", config.max_repeating, "repeat themselves", lambda one: goes_in_circles(one.text)),
        ("speaks", config.max_empty, "are empty", lambda one: not one.text.strip()),
    )
    checks = []
    for name, allowed, what, is_faulty in faults:
        count = sum(1 for sample in samples if is_faulty(sample))
        figures = {"faulty": float(count), "samples": float(len(samples)), "allowed_share": allowed}
        sentence = f"{count} of {len(samples)} sampled replies {what}"
        checks.append(Check(name, count <= allowed * len(samples), sentence, figures))
    return checks


def _means(scores: Sequence[Score]) -> tuple[float, float]:
    return (
        sum(score.before for score in scores) / len(scores),
        sum(score.after for score in scores) / len(scores),
    )
