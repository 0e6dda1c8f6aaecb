"""The preference stage: trains the challenger further on preferences, and keeps that only if it helps.

It must prefer what people preferred more often than before, keep its hold-out loss within a tolerance, and pass the
whole gate; otherwise the supervised weights come back. If the stage cannot run, the run's record says why,
and the run continues. Knows no store and no files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model.device_errors import is_out_of_memory
from storage.pair_records import Choice
from trainer.evaluation import evaluate
from trainer.evaluation.evidence import Evidence
from trainer.evaluation.gate import decide
from trainer.settings import TrainerSettings, TrainingConfig
from trainer.snapshot.snapshot import Snapshot
from trainer.training import distributed, dpo
from trainer.training.adapter_weights import restore, weights_of
from trainer.training.preferences import PreferenceFigures, Triple, accuracy, triples_of
from trainer.training.qlora import CHALLENGER, Learned
from trainer.training.recipe import SMALL_MODEL
from trainer.training.tokens import Example

__all__ = ["PreferenceOutcome", "PreferenceStage", "run_preference_stage"]


@dataclass(frozen=True)
class PreferenceStage:
    """What the preference stage works on.

    Attributes:
        model: the PEFT model with the supervised challenger.
        tokenizer: the base's.
        learned: how supervised training went.
        judging: the held-out pairs as tokens.
        evidence: what the gate would see of the supervised challenger.
        pad_id: what batches are padded with.
        measure: measures the challenger as it is now.
        on_step: called at each step.
        on_stage: called when training begins.
    """

    model: Any
    tokenizer: Any
    learned: Learned
    judging: Sequence[Example]
    evidence: Evidence
    pad_id: int
    measure: Callable[[], Evidence]
    on_step: Callable[[int, int, dict[str, float]], None]
    on_stage: Callable[[str], None]


@dataclass(frozen=True)
class PreferenceOutcome:
    """What the gate is to judge, and the record of what was done: outcome, a sentence, figures."""

    evidence: Evidence
    record: dict[str, Any]

    @property
    def sentence(self) -> str:
        return str(self.record["reason"])


def run_preference_stage(
    stage: PreferenceStage, settings: TrainerSettings, snapshot: Snapshot, choices: Iterable[Choice], *, scratch: Path
) -> PreferenceOutcome:
    """Train the challenger further on preferences if there are enough, and keep that only if it helps.

    Args:
        stage: the challenger and what is known of it.
        settings: `[training] preference_...` and the gate.
        snapshot: whose pairs the choices are on; those on held-out pairs judge and never teach.
        choices: what people preferred.
        scratch: a folder for what the Trainer writes.
    """
    config = settings.training
    if not config.preferences:
        return _skipped(stage, "off", "Training on preferences is switched off.")
    found = list(choices)
    teach, judge = (
        triples_of(stage.tokenizer, pairs, found, max_tokens=config.max_tokens, persona=settings.persona)
        for pairs in (snapshot.train, snapshot.holdout)
    )
    if (refusal := _refusal(len(teach), len(judge), config)) is not None:
        return _skipped(stage, refusal[0], refusal[1])
    stage.on_stage("prefer")
    before = weights_of(stage.model, CHALLENGER)
    try:
        outcome = _attempt(stage, settings, teach, judge, scratch=scratch)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        outcome = _skipped(stage, "failed", "Memory ran out in training on preferences; the supervised adapter stays.")
    if outcome.record["outcome"] != "replaced":
        restore(stage.model, CHALLENGER, before)
    return outcome


def _refusal(teach: int, judge: int, config: TrainingConfig) -> tuple[str, str] | None:
    """An outcome and a sentence when preferences are not trained on."""
    if teach < config.preference_pairs:
        needed = config.preference_pairs
        return "few", f"There are {teach} preferences to learn from, and training on them needs {needed}."
    if judge < config.min_holdout:
        return "few", f"There are {judge} held-out preferences, and judging by them needs {config.min_holdout}."
    if distributed.count() > 1:
        return (
            "left out",
            f"{distributed.count()} processes trained together, and preferences are learned from by one alone.",
        )
    if not dpo.is_available():
        what = f"{teach} preferences wait to be learned from"
        return "unavailable", f"{what}: install the extra with pip install 'nightshift-discord[dpo]'."
    return None


def _attempt(
    stage: PreferenceStage,
    settings: TrainerSettings,
    teach: Sequence[Triple],
    judge: Sequence[Triple],
    *,
    scratch: Path,
) -> PreferenceOutcome:
    """Train and judge; the weights are as trained afterwards, whatever the outcome."""
    recipe = _recipe(stage.model, settings.training, len(teach))
    agreed, began = _agreement(stage, judge), time.monotonic()
    steps = dpo.train_on_preferences(
        stage.model,
        stage.tokenizer,
        teach,
        recipe,
        seed=settings.training.seed,
        pass_tokens=stage.learned.pass_tokens,
        checkpointing=stage.learned.checkpointing,
        scratch=scratch,
        report=stage.on_step,
    )
    seconds = time.monotonic() - began
    held_out = stage.evidence.holdout
    nlls = evaluate.nlls_of(stage.model, CHALLENGER, stage.judging, pad_id=stage.pad_id)
    figures = PreferenceFigures(
        accuracy_before=agreed,
        accuracy_after=_agreement(stage, judge),
        nll_before=sum(score.after for score in held_out) / len(held_out),
        nll_after=sum(nlls) / len(nlls),
        judged_on=len(judge),
    )
    record = {"choices": len(teach), "steps": steps, "seconds": round(seconds, 1), "recipe": asdict(recipe)}
    record |= {"figures": asdict(figures)}
    evidence = stage.evidence
    objection = figures.objection(settings.training.preference_tolerance)
    if objection is None:
        evidence = stage.measure()
        decision = decide(evidence, settings.gate)
        objection = None if decision.promote else decision.reason.rstrip(".")
    if objection is not None:
        reason = f"Trained on {len(teach)} preferences, but the supervised adapter stays: {objection}."
        return PreferenceOutcome(stage.evidence, {"outcome": "kept", "reason": reason, **record})
    reason = f"Trained on {len(teach)} preferences: {figures.line()}."
    return PreferenceOutcome(evidence, {"outcome": "replaced", "reason": reason, **record})


def _recipe(model: Any, config: TrainingConfig, choices: int) -> dpo.PreferenceRecipe:
    """A fifth of the supervised rate unless it is set: the adapter has learned its style already."""
    small = model.get_base_model().num_parameters() < SMALL_MODEL
    rate = config.preference_learning_rate or (1e-4 if small else 4e-5)
    noise = config.preference_noise if choices >= 2 * config.preference_pairs else 0.0
    return dpo.PreferenceRecipe(beta=config.preference_beta, learning_rate=rate, noise=noise)


def _agreement(stage: PreferenceStage, judge: Sequence[Triple]) -> float:
    sides = ([triple.chosen for triple in judge], [triple.rejected for triple in judge])
    chosen, rejected = (evaluate.nlls_of(stage.model, CHALLENGER, side, pad_id=stage.pad_id) for side in sides)
    return accuracy(chosen, rejected)


def _skipped(stage: PreferenceStage, outcome: str, reason: str) -> PreferenceOutcome:
    return PreferenceOutcome(stage.evidence, {"outcome": outcome, "reason": reason})
