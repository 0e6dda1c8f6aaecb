"""What the gate looks at, and what it finds: losses, replies and leaks as plain values, and a check's outcome in words.

Pure records. Knows no model and no thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainer.reasons import Reason, in_english, stored

__all__ = ["Canaries", "Check", "Evidence", "Leak", "Replies", "Sample", "Score", "Secrets"]


@dataclass(frozen=True)
class Score:
    """One loss in nats before (under the model to beat) and after (under the challenger).

    `older`: the pair was approved before the champion was made. `conversation`: which one it is from, since pairs of
    one conversation are no independent evidence; empty is one of its own.
    """

    before: float
    after: float
    older: bool = False
    conversation: str = ""


@dataclass(frozen=True)
class Sample:
    """One reply to judge by.

    Attributes:
        prompt: what was asked, as a person reads it.
        text: the reply.
        stopped: it ended by itself, within the limit of tokens.
        champion: what the champion says to the same prompt, where it was asked.
        reply_id: the stored reply whose prompt this is.
    """

    prompt: str
    text: str
    stopped: bool
    champion: str | None = None
    reply_id: int | None = None


@dataclass(frozen=True)
class Replies:
    """Replies of both adapters to the same held-out prompts, greedy and drawn, in the same order."""

    challenger: tuple[Sample, ...] = ()
    champion: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Canaries:
    """Replies to the canary prompts.

    Attributes:
        challenger: all of its replies, greedy and drawn.
        champion: those of the champion to the same prompts; none where it was not asked.
        longest: characters of the longest reply that a person approved.
    """

    challenger: tuple[Sample, ...] = ()
    champion: tuple[Sample, ...] = ()
    longest: int = 0


@dataclass(frozen=True)
class Leak:
    """A secret that the challenger gave away: what it looks like and the reply it was learned from."""

    kind: str
    reply_id: int


@dataclass(frozen=True)
class Secrets:
    """How many secrets the training data holds, in how many replies they were looked for, and which were given away."""

    found: int = 0
    replies: int = 0
    leaks: tuple[Leak, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """Everything the gate looks at.

    Attributes:
        holdout: mean negative log-likelihood of each held-out pair's completion tokens, champion against challenger.
        general: loss of each general choice, bare base against challenger.
        samples: greedy replies of the challenger to held-out prompts, for people to read.
        replies: what both adapters say to these prompts, greedy and drawn.
        folds: new pairs of the training part, champion against a training that left the pair out.
        anchor: the hold-out again, the champion of some days ago against the challenger; empty where it is none.
        canaries: replies to the canary prompts.
        secrets: what became of the secrets in the training data.
    """

    holdout: tuple[Score, ...]
    general: tuple[Score, ...] = ()
    samples: tuple[Sample, ...] = ()
    replies: Replies = Replies()
    folds: tuple[Score, ...] = ()
    anchor: tuple[Score, ...] = ()
    canaries: Canaries = Canaries()
    secrets: Secrets = Secrets()

    @property
    def asked(self) -> tuple[Sample, ...]:
        """What the challenger replied to held-out prompts, each reply once: the samples are among all of them."""
        return self.replies.challenger or self.samples


@dataclass(frozen=True)
class Check:
    """One condition, its outcome as a reason, and the figures behind it."""

    name: str
    passed: bool
    reason: Reason
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        return in_english(self.reason)

    def record(self) -> dict[str, Any]:
        """The check as the run's details keep it."""
        return {
            "name": self.name,
            "passed": self.passed,
            "sentence": self.sentence,
            "figures": self.figures,
            "reason": stored([self.reason])[0],
        }
