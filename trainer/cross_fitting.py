"""Cross-fitting: short trainings that each leave a part of the new pairs out, so that all of them judge the night.

Runs after the challenger is trained and saved, on the same base and with the challenger's place on the model, whose
weights are put back. Each training leaves checkpoints of its own, so a stopped run resumes in the fold it was in.
`trainer.evaluation.folds` plans, `trainer.evaluation.gate` judges. Knows no store.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from model.device_errors import is_out_of_memory
from trainer.errors import MemoryShort, TrainingDiverged
from trainer.evaluation import evaluate
from trainer.evaluation.evidence import Evidence, Score
from trainer.evaluation.expected_loss import gain_of
from trainer.evaluation.folds import PASSES, Fold, plan_folds
from trainer.evaluation.gate import decide, is_decided
from trainer.gate_settings import GateConfig
from trainer.training.adapter_weights import copy_adapter, draw_afresh, restore, same_shape, weights_of
from trainer.training.memory import Fit
from trainer.training.qlora import CHALLENGER, Learned, train
from trainer.training.recipe import Recipe
from trainer.training.tokens import Example

__all__ = ["CrossFitting", "FoldOutcome", "cross_fit"]

log = logging.getLogger(__name__)

_WARM_RATE = 0.5
"""Share of the learning rate for a training that begins with the champion."""


@dataclass(frozen=True)
class CrossFitting:
    """What the folds are trained and judged with.

    Attributes:
        model: the PEFT model with the challenger and, where there is one, the champion.
        rival: the champion's name on the model; None is the bare base.
        learning: what the challenger learned from, without examples in the prompts: these show what a fold judges.
        validating: what chose its best moment; it chooses the folds' too and is not judged.
        new: reply numbers that the champion has not learned from.
        conversations: by reply number.
        learned: how the challenger's training went.
        seed: of the challenger's training.
        checkpoints: the run's folder; each fold has one inside it.
        minutes: between two checkpoints.
        say: called with what is out of the ordinary.
    """

    model: Any
    rival: str | None
    learning: Sequence[Example]
    validating: Sequence[Example]
    new: frozenset[int]
    conversations: dict[int, str]
    recipe: Recipe
    learned: Learned
    pad_id: int
    seed: int
    checkpoints: Path
    minutes: float
    say: Callable[[str], None]
    on_stage: Callable[[str], None]


@dataclass(frozen=True)
class FoldOutcome:
    """The scores of the new pairs, and what the run's record says of them."""

    scores: tuple[Score, ...]
    record: dict[str, Any]


def cross_fit(work: CrossFitting, evidence: Evidence, config: GateConfig) -> FoldOutcome:
    """Train the folds and score the pairs that each left out; nothing where the verdict does not need them.

    Memory that runs out and a fold that diverges cost the folds only.

    Raises:
        RunInterrupted: a signal asked it to stop; a checkpoint was written.
    """
    if (why := _needless(evidence, config)) is not None:
        return FoldOutcome((), {"outcome": why})
    warm = config.fold_start == "champion" and work.rival is not None and same_shape(work.model, work.rival, CHALLENGER)
    plans = plan_folds(
        [work.conversations[example.reply_id] for example in work.learning],
        [example.reply_id in work.new for example in work.learning],
        folds=config.folds,
        batch=work.recipe.batch,
        steps=config.fold_share * work.learned.steps,
        passes=min(PASSES, work.recipe.epochs) if warm else work.recipe.epochs,
        warm=warm,
    )
    if not plans:
        return FoldOutcome((), {"outcome": "few"})
    work.on_stage("cross-fit")
    began, before = time.monotonic(), weights_of(work.model, CHALLENGER)
    try:
        scores = [score for number, plan in enumerate(plans) for score in _fold(work, plan, number, warm=warm)]
    except Exception as error:
        if not (isinstance(error, MemoryShort | TrainingDiverged) or is_out_of_memory(error)):
            raise
        log.warning("Cross-fitting was given up", exc_info=True)
        return FoldOutcome((), {"outcome": "failed"})
    finally:
        restore(work.model, CHALLENGER, before)
    gain = gain_of([one.before - one.after for one in scores], [one.conversation for one in scores])
    record = {
        "outcome": "judged",
        "folds": len(plans),
        "start": "champion" if warm else "base",
        "epochs": [round(plan.epochs, 2) for plan in plans],
        "pairs": gain.pairs,
        "gain": gain.mean,
        "error": gain.error,
        "seconds": round(time.monotonic() - began, 1),
    }
    work.say(f"Judged {gain.pairs} new pairs in {len(plans)} folds: mean gain {gain.mean:.3f} ({gain.error:.3f})")
    return FoldOutcome(tuple(scores), record)


def _needless(evidence: Evidence, config: GateConfig) -> str | None:
    """Why no folds are trained."""
    if config.folds < 2:
        return "off"
    if any(not check.passed and check.name != "better" for check in decide(evidence, config).checks):
        return "other checks failed"
    return "hold-out is clear" if is_decided(evidence.holdout) else None


def _fold(work: CrossFitting, plan: Fold, number: int, *, warm: bool) -> list[Score]:
    """Train without the pairs of one fold, then score them under the champion and under what came of it."""
    if warm and work.rival is not None:
        copy_adapter(work.model, work.rival, CHALLENGER)
    else:
        torch.manual_seed(work.seed + 1 + number)
        draw_afresh(work.model, CHALLENGER)
    recipe = replace(
        work.recipe,
        epochs=plan.epochs,
        learning_rate=work.recipe.learning_rate * (_WARM_RATE if warm else 1.0),
        evaluations_per_epoch=1,
    )
    train(
        work.model,
        [work.learning[index] for index in plan.learn],
        work.validating,
        recipe,
        pad_id=work.pad_id,
        seed=work.seed + 1 + number,
        fit=Fit(work.learned.checkpointing, work.learned.pass_tokens),
        checkpoints=work.checkpoints / f"fold-{number}",
        minutes=work.minutes,
        report=lambda *_: None,
        say=work.say,
    )
    judged = [work.learning[index] for index in plan.judge]
    theirs, ours = (evaluate.nlls_of(work.model, who, judged, pad_id=work.pad_id) for who in (work.rival, CHALLENGER))
    return [
        Score(before, after, conversation=work.conversations[example.reply_id])
        for example, before, after in zip(judged, theirs, ours, strict=True)
    ]
