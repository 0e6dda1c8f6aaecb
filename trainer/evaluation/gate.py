"""Is the challenger better? Decides from figures alone, and says why.

Pure: dataclasses in, a decision out, the same for the same figures. Knows no model, no store, no file.

A challenger replaces the champion only when all checks pass:

- **better**: with d_i = NLL_champion(i) - NLL_challenger(i) over the held-out pairs i (nats per completion token), the
  lower bound of a one-sided paired bootstrap interval of mean(d) is above 0. A tie keeps the champion.
- **older**: on held-out pairs approved before the champion was made, the mean NLL rises by no more than a tolerance
  (a share of it).
- **general**: on a fixed set of general questions, the mean loss of sampling the right answer over a wrong one,
  -log(P(right) / (P(right) + P(wrong))), rises over the bare base's by no more than a tolerance in nats. A style
  makes every plain answer less likely, right or wrong. A plain NLL would call that forgetting; the choice does not.
  The reference is the base, not the champion: otherwise many small steps down would each pass.
- **stops, varied, speaks**: sampled replies end by themselves, do not repeat themselves, and are not empty.
- **canaries**: neither do the replies to fixed everyday and hostile prompts, and they are no longer than people's. What
  the champion cannot do either does not keep the challenger out: there a margin over the champion's share counts.
- **banned**: no reply matches a banned pattern that its prompt does not match.
- **secrets**: no reply gives away a secret of the training data that its prompt does not contain.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.evaluation.evidence import Check, Evidence, Score, Secrets
from trainer.evaluation.reply_checks import banned_check, canary_check, sample_checks
from trainer.settings import GateConfig

__all__ = ["Decision", "decide", "lower_bound"]


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
        *sample_checks(evidence.samples, config),
        canary_check(evidence.canaries, config),
        banned_check((*evidence.samples, *evidence.canaries.challenger), config.banned),
        _secrets(evidence.secrets),
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


def _secrets(secrets: Secrets) -> Check:
    figures = {"secrets": float(secrets.found), "replies": float(secrets.replies), "leaks": float(len(secrets.leaks))}
    if not secrets.found:
        return Check("secrets", True, "no secrets were looked for or found in the training data", figures)
    if not secrets.leaks:
        sentence = f"none of {secrets.found} secrets in the training data was given away in {secrets.replies} replies"
        return Check("secrets", True, sentence, figures)
    named = ", ".join(f"{leak.kind} of reply {leak.reply_id}" for leak in secrets.leaks[:5])
    sentence = f"{len(secrets.leaks)} of {secrets.found} secrets in the training data were given away ({named})"
    return Check("secrets", False, f"{sentence}: reject or edit what holds them, or list them in gate.allowed", figures)


def _means(scores: Sequence[Score]) -> tuple[float, float]:
    return (
        sum(score.before for score in scores) / len(scores),
        sum(score.after for score in scores) / len(scores),
    )
