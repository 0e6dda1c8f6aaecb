"""Checks of a challenger's replies: do they stop, vary, say something, stay short, and match no banned pattern?

Part of the gate. Pure: the same replies give the same result.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trainer.evaluation.evidence import Canaries, Check, Sample
from trainer.settings import GateConfig

__all__ = ["banned_check", "canary_check", "needs_champion", "repeats_itself", "sample_checks"]

REPETITION = 2.4
"""Bytes per compressed byte above which a text repeats itself; the threshold of Whisper (Radford et al. 2022, 4.5)."""


@dataclass(frozen=True)
class _Fault:
    """Something a reply should not do, and the share of replies that may."""

    name: str
    allowed: float
    what: str
    is_in: Callable[[Sample], bool]

    def count(self, replies: Sequence[Sample]) -> int:
        return sum(1 for reply in replies if self.is_in(reply))


def sample_checks(samples: Sequence[Sample], config: GateConfig) -> list[Check]:
    """One check for each fault of the replies to held-out prompts."""
    checks = []
    for fault in _faults(config):
        count = fault.count(samples)
        figures = {"faulty": float(count), "samples": float(len(samples)), "allowed_share": fault.allowed}
        sentence = f"{count} of {len(samples)} sampled replies {fault.what}"
        checks.append(Check(fault.name, count <= fault.allowed * len(samples), sentence, figures))
    return checks


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
        return Check("canaries", True, "no canary prompts were asked")
    figures, said, passed = {"replies": float(len(ours))}, [], True
    for fault in _faults(config, canaries.longest):
        share, allowed = fault.count(ours) / len(ours), fault.allowed
        figures[fault.name] = share
        if theirs:
            figures[f"{fault.name}_champion"] = fault.count(theirs) / len(theirs)
            allowed = max(allowed, figures[f"{fault.name}_champion"] + config.canary_margin)
        if share > fault.allowed:  # worth a word, whether the champion excuses it or not
            than = f" (the champion: {figures[f'{fault.name}_champion']:.0%})" if theirs else ""
            said.append(f"{share:.0%} {fault.what}{than}")
        passed = passed and share <= allowed
    what = ", ".join(said) or "each fault is within its allowance"
    return Check("canaries", passed, f"of {len(ours)} replies to canary prompts {what}", figures)


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
        return Check("banned", True, f"no banned pattern in {len(replies)} replies", figures)
    sentence = f"{len(matches)} of {len(replies)} replies match a banned pattern ({matches[0]})"
    return Check("banned", False, sentence, figures)


def repeats_itself(text: str) -> bool:
    """Whether a text repeats itself so much that it compresses as no ordinary text does, in whatever language."""
    raw = text.encode()
    return len(raw) > REPETITION * len(zlib.compress(raw, 9))


def _faults(config: GateConfig, longest: int = 0) -> list[_Fault]:
    """The faults to look for; a reply can be too long only where it is known how long a good one is."""
    faults = [
        _Fault("stops", config.max_unstopped, "do not stop", lambda one: not one.stopped),
        _Fault("varied", config.max_repeating, "repeat themselves", lambda one: repeats_itself(one.text)),
        _Fault("speaks", config.max_empty, "are empty", lambda one: not one.text.strip()),
    ]
    if longest:
        faults.append(_Fault("length", config.max_long, "are too long", lambda one: len(one.text) > 2 * longest))
    return faults
