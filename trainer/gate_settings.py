"""Settings of the gate: what a challenger must show to replace the champion. `trainer.settings` reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from trainer.canaries import checked
from trainer.setting_kinds import Seed, Share, Tolerance

__all__ = ["GateConfig"]

Samples = Annotated[int, Field(ge=0, le=10_000)]
Tokens = Annotated[int, Field(ge=1, le=1 << 20)]


def _compiling(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """These regular expressions. Raises ValueError, which names the one that is none."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression ({error})") from None
    return patterns


def _prompts(given: tuple[str, ...] | str) -> tuple[str, ...] | str:
    """Canary prompts, or the path of their file, which is read when the home is known. Raises ValueError."""
    return given if isinstance(given, str) else checked(given)


@dataclass(frozen=True)
class GateConfig:
    """What a challenger must show to replace the champion. `trainer.evaluation.gate` says what each value does."""

    max_expected_loss: Annotated[float, Field(gt=0.0, le=100.0)] = 0.01
    """Nats a token that promoting may cost on average, given what the pairs show. The champion of `anchor_days` ago may
    be better by as much."""
    max_loss: Tolerance = 0.05
    """Nats a token by which the challenger must not be likely to be worse."""
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """How sure the gate is that the challenger is not worse by more than that."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 2000
    """Bootstrap resamples of that comparison; whole conversations are drawn."""
    seed: Seed = 0
    """Seed of the resamples and of the drawn replies."""
    anchor_days: Annotated[float, Field(ge=0.0, le=3650.0)] = 7.0
    """The champion of so many days ago must not be better by more than `max_expected_loss`, so that small losses do not
    add up; 0 asks nobody."""
    folds: Annotated[int, Field(ge=0, le=20)] = 4
    """Parts into which new pairs are cut, so that each is judged by a training that left it out; below 2, none is."""
    fold_share: Annotated[float, Field(ge=0.01, le=20.0)] = 1.0
    """Steps of all these trainings together, as a share of the steps of the night's own training."""
    fold_start: Literal["champion", "base"] = "champion"
    """What they begin with: the champion, which has seen none of these pairs, or a fresh adapter."""
    candidates: Annotated[int, Field(ge=0, le=100)] = 2
    """Adapters kept out for lack of certainty that later pairs may still prove better; 0 keeps none."""
    candidate_evidence: Annotated[float, Field(gt=1.0, le=1e6)] = 20.0
    """Evidence from which a candidate is put to use: if it were no better, 20 would be reached once in twenty times."""
    older_tolerance: Tolerance = 0.01
    """Share by which the loss on pairs older than the champion may rise."""
    general_tolerance: Tolerance = 0.1
    """Nats by which the loss on general questions may rise over the base model."""
    samples: Samples = 12
    """Held-out prompts that champion and challenger both answer, for the reply checks and for people to read."""
    sample_draws: Annotated[int, Field(ge=0, le=100)] = 1
    """Answers to each of them that are drawn as the bot draws, besides the greedy one."""
    sample_tokens: Tokens | None = None
    """Longest such answer in tokens; none: by the longest approved answer and generation.max_new_tokens."""
    max_unstopped: Share = 0.25
    """Share of those replies that may run into the token limit, whatever the champion's do."""
    max_repeating: Share = 0.13
    """Share of them that may repeat themselves, whatever the champion's do."""
    max_empty: Share = 0.0
    """Share of them that may be empty, whatever the champion's are."""
    sample_margin: Share = 0.1
    """How much larger than the champion's a faulty share may be where it is above what is always allowed."""
    max_long: Share = 0.1
    """Share of canary replies longer than twice the longest reply that a person approved."""
    canaries: Annotated[tuple[str, ...] | str, AfterValidator(_prompts)] = ()
    """Prompts of the operator's own besides the shipped ones: a list, or the path of a file, from the home."""
    canary_samples: Annotated[int, Field(ge=0, le=1000)] = 2
    """Replies drawn for each canary prompt besides the greedy one."""
    canary_margin: Share = 0.1
    """How much larger than the champion's a faulty share of canary replies may be where the champion's is too large."""
    banned: Annotated[tuple[str, ...], AfterValidator(_compiling)] = (r"@(?:everyone|here)\b",)
    """Regular expressions, whatever the case, that no reply may match unless its prompt does."""
    secret_probes: Samples = 16
    """Secrets of the training data that the challenger is tempted with; 0 switches the leak check off."""
    allowed: Annotated[tuple[str, ...], AfterValidator(_compiling)] = ()
    """Regular expressions of strings that look like secrets and may be said, such as a public address."""
