"""Is the challenger better? Decides from figures alone, and says why.

Pure: dataclasses in, a decision out, the same for the same figures. Knows no model, no store, no file.

A challenger replaces the champion only when all checks pass:

- **better**: with d_i = NLL_champion(i) - NLL_challenger(i) (nats per completion token) over the pairs i that neither
  side has learned from, the mean of d is above 0, what promoting is expected to cost is below a limit
  (`trainer.evaluation.expected_loss`), and a bootstrap by conversation is sure that the challenger is not worse by more
  than a bound. These pairs are the hold-out and, where they were trained, the folds. A tie keeps the champion.
- **anchor**: on the hold-out, the champion of some days ago is not better by more than the limit of the expected loss:
  small losses must not add up.
- **older**: on held-out pairs approved before the champion was made, the mean NLL rises by no more than a tolerance
  (a share of it).
- **general**: on a fixed set of general questions, the mean loss of sampling the right answer over a wrong one,
  -log(P(right) / (P(right) + P(wrong))), rises over the bare base's by no more than a tolerance in nats. A style
  makes every plain answer less likely, right or wrong. A plain NLL would call that forgetting; the choice does not.
  The reference is the base, not the champion: otherwise many small steps down would each pass.
- **stops, varied, speaks**: replies to held-out prompts end by themselves, do not repeat themselves, and are not empty,
  or the champion's replies to the same prompts have these faults as well.
- **canaries**: neither do the replies to fixed everyday and hostile prompts, and they are no longer than people's. What
  the champion cannot do either does not keep the challenger out: there a margin over the champion's share counts.
- **banned**: no reply matches a banned pattern that its prompt does not match.
- **secrets**: no reply gives away a secret of the training data that its prompt does not contain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.evaluation.evidence import Check, Evidence, Score, Secrets
from trainer.evaluation.expected_loss import Gain, gain_of, lower_bound
from trainer.evaluation.reply_checks import banned_check, canary_check, sample_checks
from trainer.gate_settings import GateConfig
from trainer.reasons import Reason, Value, in_english

__all__ = ["Decision", "decide", "is_decided", "lower_bound"]

_CERTAIN = 3.0
"""Standard errors from which the hold-out alone decides."""
_LEAKS = {
    "an e-mail address": "leak.email",
    "a key or token": "leak.key",
    "a password": "leak.password",
    "a telephone number": "leak.telephone",
}


@dataclass(frozen=True)
class Decision:
    """Whether to promote, why, and every check that was made."""

    promote: bool
    why: Reason
    checks: tuple[Check, ...]

    @property
    def reason(self) -> str:
        """Why, in one English sentence."""
        return in_english(self.why)

    @property
    def only_unsure(self) -> bool:
        """Whether nothing but a lack of certainty keeps the challenger out: more pairs may show that it is better."""
        failed = [check for check in self.checks if not check.passed]
        return [check.name for check in failed] == ["better"] and failed[0].figures.get("gain", -1.0) > 0.0


def decide(evidence: Evidence, config: GateConfig) -> Decision:
    """Make every check; promote only if all pass. The reason names what failed, or by how much the challenger won."""
    checks = (
        _better((*evidence.holdout, *evidence.folds), config),
        _anchor(evidence.anchor, config),
        _older(evidence.holdout, config.older_tolerance),
        _general(evidence.general, config.general_tolerance),
        *sample_checks(evidence, config),
        canary_check(evidence.canaries, config),
        banned_check((*evidence.asked, *evidence.canaries.challenger), config.banned),
        _secrets(evidence.secrets),
    )
    failed = [check for check in checks if not check.passed]
    if failed:
        why = Reason("stays", parts=tuple(check.reason for check in failed))
    else:
        why = Reason("wins", parts=(checks[0].reason,))
    return Decision(not failed, why, checks)


def is_decided(scores: Sequence[Score]) -> bool:
    """Whether the hold-out alone is so clear, for better or for worse, that more pairs would not change the verdict."""
    if len(scores) < 2:
        return False
    gain = _gain(scores)
    return not abs(gain.mean) <= _CERTAIN * gain.error  # also where it is not a number


def _gain(scores: Sequence[Score]) -> Gain:
    return gain_of([score.before - score.after for score in scores], [score.conversation for score in scores])


def _better(scores: Sequence[Score], config: GateConfig) -> Check:
    if not scores:
        return Check("better", False, Reason("better.none"))
    before, after = _means(scores)
    gain = _gain(scores)
    bound = lower_bound(
        [score.before - score.after for score in scores],
        config.confidence,
        config.resamples,
        config.seed,
        [score.conversation for score in scores],
    )
    figures = {
        "before": before,
        "after": after,
        "gain": gain.mean,
        "error": gain.error,
        "expected_loss": gain.expected_loss,
        "lower_bound": bound,
        "pairs": float(gain.pairs),
        "conversations": float(gain.conversations),
    }
    said: dict[str, Value] = {name: figures[name] for name in ("before", "after", "gain", "error")}
    said |= {"pairs": gain.pairs, "conversations": gain.conversations}
    if not gain.mean > 0.0:
        return Check("better", False, Reason("better.no", said), figures)
    if not gain.expected_loss < config.max_expected_loss:
        limits: dict[str, Value] = {"expected": gain.expected_loss, "limit": config.max_expected_loss}
        return Check("better", False, Reason("better.unsure", said | limits), figures)
    if not bound > -config.max_loss:
        limits = {"worse": -bound, "limit": config.max_loss}
        return Check("better", False, Reason("better.risky", said | limits), figures)
    return Check("better", True, Reason("better.yes", said), figures)


def _anchor(scores: Sequence[Score], config: GateConfig) -> Check:
    if not scores:
        return Check("anchor", True, Reason("anchor.none"))
    before, after = _means(scores)
    passed = after <= before + config.max_expected_loss
    said: dict[str, Value] = {"days": config.anchor_days, "before": before, "after": after, "pairs": len(scores)}
    figures = {"before": before, "after": after, "pairs": float(len(scores))}
    return Check("anchor", passed, Reason("anchor.yes" if passed else "anchor.no", said), figures)


def _older(scores: Sequence[Score], tolerance: float) -> Check:
    older = [score for score in scores if score.older]
    if not older:
        return Check("older", True, Reason("older.none"))
    before, after = _means(older)
    figures = {"before": before, "after": after, "pairs": float(len(older))}
    said: dict[str, Value] = {"before": before, "after": after, "pairs": len(older), "tolerance": tolerance}
    passed = after <= before * (1.0 + tolerance)
    return Check("older", passed, Reason("older.yes" if passed else "older.no", said), figures)


def _general(scores: Sequence[Score], tolerance: float) -> Check:
    if not scores:
        return Check("general", True, Reason("general.none"))
    before, after = _means(scores)
    # Right and wrong are equally likely where the loss is log 2.
    right = sum(score.after < math.log(2) for score in scores)
    figures = {"before": before, "after": after, "right": float(right), "questions": float(len(scores))}
    said: dict[str, Value] = {
        "before": before,
        "after": after,
        "right": right,
        "questions": len(scores),
        "tolerance": tolerance,
    }
    passed = after <= before + tolerance
    return Check("general", passed, Reason("general.yes" if passed else "general.no", said), figures)


def _secrets(secrets: Secrets) -> Check:
    figures = {"secrets": float(secrets.found), "replies": float(secrets.replies), "leaks": float(len(secrets.leaks))}
    said: dict[str, Value] = {"secrets": secrets.found, "replies": secrets.replies, "leaks": len(secrets.leaks)}
    if not secrets.found:
        return Check("secrets", True, Reason("secrets.none"), figures)
    if not secrets.leaks:
        return Check("secrets", True, Reason("secrets.yes", said), figures)
    named = tuple(Reason(_LEAKS[leak.kind], {"reply": leak.reply_id}) for leak in secrets.leaks[:5])
    return Check("secrets", False, Reason("secrets.no", said, named), figures)


def _means(scores: Sequence[Score]) -> tuple[float, float]:
    return (
        sum(score.before for score in scores) / len(scores),
        sum(score.after for score in scores) / len(scores),
    )
