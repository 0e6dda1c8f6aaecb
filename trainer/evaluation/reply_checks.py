"""Checks of a challenger's replies: do they stop, vary, say something, stay short, and match no banned pattern?

Part of the gate. Pure: the same replies give the same result.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trainer.evaluation.evidence import Canaries, Check, Evidence, Sample
from trainer.gate_settings import GateConfig
from trainer.reasons import Reason, Value

__all__ = ["banned_check", "canary_check", "chance_of_more", "needs_champion", "repeats_itself", "sample_checks"]

REPETITION = 2.4
"""Bytes per compressed byte above which a text repeats itself; the threshold of Whisper (Radford et al. 2022, 4.5)."""


SIGNIFICANT = 0.05
"""Chance below which a difference in faults is none of chance."""
GROSS, GROSS_REPLIES = 0.4, 8
"""Share by which a fault in so many replies is too much more than the champion's, whatever chance says."""


@dataclass(frozen=True)
class _Fault:
    """Something a reply should not do, and the share of replies that may."""

    name: str
    allowed: float
    is_in: Callable[[Sample], bool]

    def count(self, replies: Sequence[Sample]) -> int:
        return sum(1 for reply in replies if self.is_in(reply))


def sample_checks(evidence: Evidence, config: GateConfig) -> list[Check]:
    """One check for each fault of the replies to held-out prompts.

    A fault keeps the challenger out where more replies have it than are always allowed, and more than the champion's
    replies to the same prompts: by a margin and by more than chance, or grossly.
    """
    ours = evidence.asked
    theirs = evidence.replies.champion
    checks = []
    for fault in _faults(config):
        count = fault.count(ours)
        figures = {"faulty": float(count), "samples": float(len(ours)), "allowed_share": fault.allowed}
        said: dict[str, Value] = {"count": count, "replies": len(ours)}
        passed = count <= fault.allowed * len(ours)
        if theirs:
            figures["faulty_champion"] = said["champion"] = float(fault.count(theirs))
            figures["chance"] = chance_of_more(*_differing_prompts(fault, ours, theirs))
            passed = passed or not _clearly_more(figures, config.sample_margin)
        code = f"{fault.name}.compared" if theirs else fault.name
        checks.append(Check(fault.name, passed, Reason(code, said), figures))
    return checks


def chance_of_more(more: int, fewer: int) -> float:
    """One-sided exact sign test: how likely at least so many of the differing prompts speak against the challenger."""
    differing = more + fewer
    return float(sum(math.comb(differing, number) for number in range(more, differing + 1)) / 2**differing)


def _differing_prompts(fault: _Fault, ours: Sequence[Sample], theirs: Sequence[Sample]) -> tuple[int, int]:
    """On how many prompts the challenger has the fault more often than the champion, and less often."""
    excess: Counter[str] = Counter()
    for reply, other in zip(ours, theirs, strict=True):
        excess[f"{reply.reply_id} {reply.prompt}"] += fault.is_in(reply) - fault.is_in(other)
    return sum(one > 0 for one in excess.values()), sum(one < 0 for one in excess.values())


def _clearly_more(figures: Mapping[str, float], margin: float) -> bool:
    excess = (figures["faulty"] - figures["faulty_champion"]) / figures["samples"]
    if excess >= GROSS and figures["samples"] >= GROSS_REPLIES:
        return True
    return excess > margin and figures["chance"] < SIGNIFICANT


def needs_champion(replies: Sequence[Sample], longest: int, config: GateConfig) -> bool:
    """Whether the challenger's replies to the canaries have a fault too often, so that the champion must be asked too.

    Args:
        replies: the challenger's.
        longest: as in `Canaries`.
        config: the shares that are allowed.
    """
    return any(fault.count(replies) > fault.allowed * len(replies) for fault in _faults(config, longest))


def canary_check(canaries: Canaries, config: GateConfig) -> Check:
    """All faults of the canary replies; the share of a champion that was asked, plus a margin, excuses them."""
    ours, theirs = canaries.challenger, canaries.champion
    if not ours:
        return Check("canaries", True, Reason("canaries.none"))
    figures, passed = {"replies": float(len(ours))}, True
    parts: list[Reason] = []
    for fault in _faults(config, canaries.longest):
        share, allowed = fault.count(ours) / len(ours), fault.allowed
        figures[fault.name] = share
        said: dict[str, Value] = {"share": share}
        if theirs:
            said["champion"] = figures[f"{fault.name}_champion"] = fault.count(theirs) / len(theirs)
            allowed = max(allowed, figures[f"{fault.name}_champion"] + config.canary_margin)
        if share > fault.allowed:  # worth a word, whether the champion excuses it or not
            parts.append(Reason(f"canary.{fault.name}{'.compared' if theirs else ''}", said))
        passed = passed and share <= allowed
    code = "canaries" if parts else "canaries.yes"
    return Check("canaries", passed, Reason(code, {"replies": len(ours)}, tuple(parts)), figures)


def banned_check(replies: Sequence[Sample], patterns: Sequence[str]) -> Check:
    """Whether a reply matches a pattern (whatever the case) that its own prompt does not match."""
    matches = [
        pattern
        for pattern in patterns
        for reply in replies
        if re.search(pattern, reply.text, re.IGNORECASE) and not re.search(pattern, reply.prompt, re.IGNORECASE)
    ]
    figures = {"matches": float(len(matches)), "replies": float(len(replies)), "patterns": float(len(patterns))}
    if not matches:
        return Check("banned", True, Reason("banned.yes", {"replies": len(replies)}), figures)
    said: dict[str, Value] = {"matches": len(matches), "replies": len(replies), "pattern": matches[0]}
    return Check("banned", False, Reason("banned.no", said), figures)


def repeats_itself(text: str) -> bool:
    """Whether a text repeats itself so much that it compresses as no ordinary text does, in whatever language."""
    raw = text.encode()
    return len(raw) > REPETITION * len(zlib.compress(raw, 9))


def _faults(config: GateConfig, longest: int = 0) -> list[_Fault]:
    """The faults to look for; a reply can be too long only where it is known how long a good one is."""
    faults = [
        _Fault("stops", config.max_unstopped, lambda one: not one.stopped),
        _Fault("varied", config.max_repeating, lambda one: repeats_itself(one.text)),
        _Fault("speaks", config.max_empty, lambda one: not one.text.strip()),
    ]
    if longest:
        faults.append(_Fault("length", config.max_long, lambda one: len(one.text) > 2 * longest))
    return faults
