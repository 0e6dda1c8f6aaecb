"""One base in memory: a challenger is trained on it, then champion and challenger are measured on the same weights.

The heavy middle of a run, between the snapshot and the verdict. Knows neither the store nor the adapter directory: it
takes pairs and paths, and returns figures and a folder in PEFT's own format.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from model.base.loading import LoadedBase
from storage.pair_records import Choice, Pair
from trainer.candidates import Contender, Gain, score_contenders
from trainer.challenger import RunCallbacks, Trained, save_challenger, train_challenger
from trainer.champion import Champion, mismatch
from trainer.cross_fitting import CrossFitting, FoldOutcome, cross_fit
from trainer.encoded_snapshot import EncodedSnapshot, encode_snapshot
from trainer.evaluation import evaluate
from trainer.evaluation.evidence import Evidence
from trainer.measurement import measure_adapters
from trainer.preference_stage import PreferenceOutcome, PreferenceStage, run_preference_stage
from trainer.settings import TrainerSettings
from trainer.snapshot.snapshot import Snapshot
from trainer.training.qlora import Learned
from trainer.training.recipe import Recipe

__all__ = ["Rivals", "TrainingOutcome", "train_and_measure"]


@dataclass(frozen=True)
class TrainingOutcome:
    """The result. `adapter` is the challenger as PEFT saves it; `champion` is None when the bare base stood in."""

    evidence: Evidence
    adapter: Path
    base: LoadedBase
    champion: str | None
    recipe: Recipe
    learned: Learned
    details: dict[str, Any]
    candidates: Mapping[str, Sequence[Gain]] = field(default_factory=dict)
    """Of each candidate that was measured, its gains over the champion on pairs that neither has seen."""


@dataclass(frozen=True)
class Rivals:
    """What the challenger is compared with.

    Attributes:
        champion: the adapter in use; None is the bare base.
        anchor: the champion of some days ago, where that is another one.
        contenders: candidates.
    """

    champion: Champion | None = None
    anchor: Champion | None = None
    contenders: Sequence[Contender] = ()


@dataclass(frozen=True)
class _Work:
    """What all stages work on. `scratch` does not outlive the run; a stopped run resumes from `checkpoints`."""

    settings: TrainerSettings
    snapshot: Snapshot
    base: LoadedBase
    encoded: EncodedSnapshot
    rivals: Rivals
    callbacks: RunCallbacks
    scratch: Path
    checkpoints: Path


@dataclass(frozen=True)
class _Measured:
    """What the gate would see of the challenger, and the losses of the held-out pairs under the bare base."""

    evidence: Evidence
    base_nlls: list[float]
    seconds: float


def train_and_measure(
    settings: TrainerSettings,
    snapshot: Snapshot,
    rivals: Rivals,
    choices: Sequence[Choice] = (),
    *,
    base: LoadedBase,
    cache_dir: Path,
    scratch: Path,
    checkpoints: Path,
    callbacks: RunCallbacks,
    examples: Mapping[int, Sequence[Pair]] | None = None,
) -> TrainingOutcome:
    """Train on the snapshot's training part, then on what people preferred; measure on its hold-out and in folds.

    `examples` are shown in the prompts of these pairs while they are learned. `base` is from `open_base` and has no
    adapter; other processes load it from `cache_dir`. `scratch` is for what does not outlive the run, `checkpoints` for
    what a stopped run resumes from.

    Raises:
        torch.OutOfMemoryError, MemoryError: it does not fit.
    """
    rivals = _fitting(rivals, base, callbacks.say)
    encoded = encode_snapshot(settings, snapshot, base, examples or {})
    work = _Work(settings, snapshot, base, encoded, rivals, callbacks, scratch, checkpoints)
    trained = train_challenger(
        settings, base, encoded, cache_dir=cache_dir, checkpoints=checkpoints, callbacks=callbacks
    )
    measured = _measured(work, trained.model)
    preferred = _prefer(work, trained, measured, choices)
    adapter = save_challenger(trained.model, base, scratch / "adapter")
    folds = _judge_in_folds(work, trained, preferred.evidence)
    candidates = _score_candidates(work, trained.model)
    return TrainingOutcome(
        replace(preferred.evidence, folds=folds.scores),
        adapter,
        base,
        rivals.champion.id if rivals.champion else None,
        trained.recipe,
        trained.learned,
        {
            **_details(work, trained, measured),
            "preferences": preferred.record,
            "folds": folds.record,
            "candidates": _candidate_figures(candidates),
        },
        candidates,
    )


def _fitting(rivals: Rivals, base: LoadedBase, say: Callable[[str], None]) -> Rivals:
    """Those of them that are for this base."""
    champion, anchor = rivals.champion, rivals.anchor
    if champion is not None and (why := mismatch(champion, base)):
        say(f"The champion {champion.id} {why}, so the bare base stands in for it.")
        champion = None
    if anchor is not None and mismatch(anchor, base):
        anchor = None
    return Rivals(champion, anchor, [one for one in rivals.contenders if not mismatch(one.adapter, base)])


def _measured(work: _Work, model: Any) -> _Measured:
    """Measure base, rivals and challenger on the hold-out."""
    work.callbacks.stage("evaluate")
    began = time.monotonic()
    evidence, base_nlls = _measure(work, model)
    return _Measured(evidence, base_nlls, time.monotonic() - began)


def _measure(work: _Work, model: Any) -> tuple[Evidence, list[float]]:
    encoded = work.encoded
    return measure_adapters(
        work.settings,
        work.base,
        model,
        learning=(*encoded.learning.items, *encoded.validating.items),
        judging=encoded.judging.items,
        snapshot=work.snapshot,
        champion=work.rivals.champion,
        anchor=work.rivals.anchor,
        pad_id=encoded.pad_id,
    )


def _prefer(work: _Work, trained: Trained, measured: _Measured, choices: Sequence[Choice]) -> PreferenceOutcome:
    """Train on by what people preferred, if that helps."""
    stage = PreferenceStage(
        trained.model,
        work.base.tokenizer,
        trained.learned,
        work.encoded.judging.items,
        measured.evidence,
        work.encoded.pad_id,
        measure=lambda: _measure(work, trained.model)[0],
        on_step=work.callbacks.step,
        on_stage=work.callbacks.stage,
    )
    scratch = work.scratch / "preferences"
    preferred = run_preference_stage(stage, work.settings, work.snapshot, choices, scratch=scratch)
    if choices:
        work.callbacks.say(preferred.sentence)
    return preferred


def _judge_in_folds(work: _Work, trained: Trained, evidence: Evidence) -> FoldOutcome:
    """Score the new pairs by trainings that left them out."""
    champion, config = work.rivals.champion, work.settings.training
    pairs = {pair.reply_id: pair for pair in work.snapshot.train}
    fitting = CrossFitting(
        trained.model,
        evaluate.CHAMPION if champion else None,
        learning=work.encoded.plain,
        validating=work.encoded.validating.items,
        new=frozenset(n for n, pair in pairs.items() if champion is None or not champion.has_seen(pair)),
        conversations={number: pair.conversation for number, pair in pairs.items()},
        recipe=trained.recipe,
        learned=trained.learned,
        pad_id=work.encoded.pad_id,
        seed=config.seed,
        checkpoints=work.checkpoints,
        minutes=config.checkpoint_minutes,
        say=work.callbacks.say,
        on_stage=work.callbacks.stage,
    )
    return cross_fit(fitting, evidence, work.settings.gate)


def _score_candidates(work: _Work, model: Any) -> dict[str, list[Gain]]:
    """The gains of the candidates on the pairs that neither they nor the champion have seen."""
    encoded, snapshot = work.encoded, work.snapshot
    return score_contenders(
        model,
        work.rivals.champion,
        work.rivals.contenders,
        (*encoded.plain, *encoded.validating.items, *encoded.judging.items),
        {pair.reply_id: pair for pair in (*snapshot.train, *snapshot.holdout)},
        pad_id=encoded.pad_id,
    )


def _candidate_figures(candidates: Mapping[str, Sequence[Gain]]) -> dict[str, dict[str, float]]:
    return {
        name: {"pairs": len(gains), "gain": sum(one.nats for one in gains) / len(gains)}
        for name, gains in candidates.items()
        if gains
    }


def _details(work: _Work, trained: Trained, measured: _Measured) -> dict[str, Any]:
    """What the run's record keeps of training and measuring."""
    return {
        "base_nll": sum(measured.base_nlls) / len(measured.base_nlls),
        "tokens": trained.learned.tokens,
        "windowed": work.encoded.windowed,
        "dropped": work.encoded.dropped,
        "checkpointing": trained.learned.checkpointing,
        "compute": str(work.base.dtype).removeprefix("torch."),
        "seconds": {"train": round(trained.seconds, 1), "evaluate": round(measured.seconds, 1)},
    }
