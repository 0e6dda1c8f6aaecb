"""One base in memory: a challenger is trained on it, then champion and challenger are measured on the same weights.

The heavy middle of a run, between the snapshot and the verdict. Knows neither the store nor the adapter directory: it
takes pairs and paths, and returns figures and a folder in PEFT's own format.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from model.base.conversion import convert_base
from model.base.loading import LoadedBase
from model.serving.suitability import check_suitable
from storage.records import Choice, Pair
from trainer.candidates import Contender, Gain, score_contenders
from trainer.cross_fitting import CrossFitting, cross_fit
from trainer.evaluation import evaluate
from trainer.evaluation.evidence import Evidence
from trainer.measurement import Champion, measure_adapters, mismatch
from trainer.preference_stage import PreferenceStage, run_preference_stage
from trainer.readiness import least_to_learn
from trainer.settings import TrainerSettings
from trainer.snapshot.holdout import validation_split
from trainer.snapshot.snapshot import Snapshot
from trainer.training.base import free_bytes
from trainer.training.fitting import Limits, require_enough
from trainer.training.helpers import TrainingJob, load_for_training, release_helpers, run_job, start_helpers
from trainer.training.memory import Fit, ModelShape, Workload, choose_fit
from trainer.training.packed_decoder import has_known_layers
from trainer.training.qlora import CHALLENGER, Learned
from trainer.training.recipe import Recipe, resolve, validation_size
from trainer.training.shown_examples import with_examples
from trainer.training.tokens import Example, Examples, encode_pairs, with_validation

__all__ = ["Champion", "RunCallbacks", "TrainingOutcome", "open_base", "train_and_measure"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunCallbacks:
    """Called as the run goes: with the stage, a sentence, a training step (number, total, figures)."""

    stage: Callable[[str], None]
    say: Callable[[str], None]
    step: Callable[[int, int, dict[str, float]], None]


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


def train_and_measure(
    settings: TrainerSettings,
    snapshot: Snapshot,
    champion: Champion | None,
    choices: Sequence[Choice] = (),
    *,
    base: LoadedBase,
    cache_dir: Path,
    scratch: Path,
    checkpoints: Path,
    callbacks: RunCallbacks,
    anchor: Champion | None = None,
    contenders: Sequence[Contender] = (),
    examples: Mapping[int, Sequence[Pair]] | None = None,
) -> TrainingOutcome:
    """Train on the snapshot's training part, then on what people preferred; measure on its hold-out and in folds.

    `anchor` is the champion of some days ago, where that is another one; `contenders` are candidates. `examples`
    are shown in the prompts of these pairs while they are learned. `base` is from
    `open_base` and without any adapter; other processes load it from `cache_dir`. `scratch` is for what does not
    outlive the run, `checkpoints` for what a stopped run resumes from.

    Raises:
        torch.OutOfMemoryError, MemoryError: it does not fit.
    """
    if champion is not None and (why := mismatch(champion, base)):
        callbacks.say(f"The champion {champion.id} {why}, so the bare base stands in for it.")
        champion = None
    encoded = _encode(settings, snapshot, base, examples or {})
    learning, validating, judging = encoded.learning, encoded.validating, encoded.judging
    recipe = resolve(settings.training, pairs=len(learning.items), parameters=base.model.num_parameters())
    began = time.monotonic()
    model, learned = _train(
        settings, base, encoded, recipe, cache_dir=cache_dir, checkpoints=checkpoints, callbacks=callbacks
    )
    trained_s = time.monotonic() - began
    callbacks.say(
        f"Trained {learned.steps} steps in {trained_s:.0f} s ({learned.fresh_tokens / trained_s:.0f} tokens/s), "
        f"best at step {learned.best_step} with validation loss {learned.eval_loss:.3f}"
    )

    callbacks.stage("evaluate")
    began = time.monotonic()

    def measure() -> tuple[Evidence, list[float]]:
        return measure_adapters(
            settings,
            base,
            model,
            learning=(*learning.items, *validating.items),
            judging=judging.items,
            snapshot=snapshot,
            champion=champion,
            anchor=anchor if anchor is not None and not mismatch(anchor, base) else None,
            pad_id=encoded.pad_id,
        )

    evidence, base_nlls = measure()
    evaluated_s = time.monotonic() - began
    stage = PreferenceStage(
        model,
        base.tokenizer,
        learned,
        judging.items,
        evidence,
        encoded.pad_id,
        measure=lambda: measure()[0],
        on_step=callbacks.step,
        on_stage=callbacks.stage,
    )
    preferred = run_preference_stage(stage, settings, snapshot, choices, scratch=scratch / "preferences")
    if choices:
        callbacks.say(preferred.sentence)
    adapter = _save(model, base, scratch / "adapter")
    pairs = {pair.reply_id: pair for pair in snapshot.train}
    folds = cross_fit(
        CrossFitting(
            model,
            evaluate.CHAMPION if champion else None,
            learning=learning.items,
            validating=validating.items,
            new=frozenset(n for n, pair in pairs.items() if champion is None or not champion.has_seen(pair)),
            conversations={number: pair.conversation for number, pair in pairs.items()},
            recipe=recipe,
            learned=learned,
            pad_id=encoded.pad_id,
            seed=settings.training.seed,
            checkpoints=checkpoints,
            minutes=settings.training.checkpoint_minutes,
            report=lambda *_: None,
            say=callbacks.say,
            on_stage=callbacks.stage,
        ),
        preferred.evidence,
        settings.gate,
    )
    details = {
        "base_nll": sum(base_nlls) / len(base_nlls),
        "tokens": learned.tokens,
        "windowed": learning.windowed + validating.windowed + judging.windowed,
        "dropped": learning.dropped + validating.dropped + judging.dropped,
        "checkpointing": learned.checkpointing,
        "compute": str(base.dtype).removeprefix("torch."),
        "seconds": {"train": round(trained_s, 1), "evaluate": round(evaluated_s, 1)},
        "preferences": preferred.record,
        "folds": folds.record,
    }
    evidence = replace(preferred.evidence, folds=folds.scores)
    candidates = score_contenders(
        model,
        champion,
        [one for one in contenders if not mismatch(one.adapter, base)],
        (*learning.items, *validating.items, *judging.items),
        {pair.reply_id: pair for pair in (*snapshot.train, *snapshot.holdout)},
        pad_id=encoded.pad_id,
    )
    details["candidates"] = {
        name: {"pairs": len(gains), "gain": sum(one.nats for one in gains) / len(gains)}
        for name, gains in candidates.items()
        if gains
    }
    who = champion.id if champion else None
    return TrainingOutcome(evidence, adapter, base, who, recipe, learned, details, candidates)


@dataclass(frozen=True)
class _Encoded:
    """The snapshot in tokens: what is learned from, what chooses the best moment, what judges. And what pads it."""

    learning: Examples
    validating: Examples
    judging: Examples
    pad_id: int

    @property
    def longest(self) -> int:
        parts = (self.learning, self.validating, self.judging)
        return max(len(example.ids) for part in parts for example in part.items)


def _encode(
    settings: TrainerSettings, snapshot: Snapshot, base: LoadedBase, examples: Mapping[int, Sequence[Pair]]
) -> _Encoded:
    """The snapshot in tokens. Raises TooFewFit."""
    tokenizer, training = base.tokenizer, settings.training

    def encoded(pairs: Sequence[Pair]) -> Examples:
        return encode_pairs(tokenizer, pairs, max_tokens=training.max_tokens, persona=settings.persona)

    learn, validate = validation_split(snapshot.train, validation_size(len(snapshot.train)))
    judge = evaluate.spread(snapshot.holdout, training.max_holdout)
    learning, validating = with_validation(encoded(with_examples(learn, examples)), encoded(validate))
    judging = encoded(judge)
    limits = Limits(training.max_tokens, settings.persona, getattr(base.model.config, "max_position_embeddings", None))
    learn_from = len(learning.items) + len(validating.items)
    require_enough(
        tokenizer, "pairs to learn from", snapshot.train, fit=learn_from, needed=least_to_learn(training), limits=limits
    )
    require_enough(
        tokenizer, "held-out pairs", judge, fit=len(judging.items), needed=training.min_holdout, limits=limits
    )
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return _Encoded(learning, validating, judging, pad_id)


def _train(
    settings: TrainerSettings,
    base: LoadedBase,
    encoded: _Encoded,
    recipe: Recipe,
    *,
    cache_dir: Path,
    checkpoints: Path,
    callbacks: RunCallbacks,
) -> tuple[Any, Learned]:
    """Train a challenger, with the other processes of an `accelerate launch` if there are any."""
    learning = encoded.learning.items
    fit = _fit(base, recipe, learning, settings)
    callbacks.say(f"Recipe (* set by you): {recipe.line()}, {fit.line()}")
    callbacks.say(
        f"Learning from {len(learning)} pairs, validating on {len(encoded.validating.items)}, "
        f"judging on {len(encoded.judging.items)} that are never trained on"
    )
    job = TrainingJob(
        model=settings.model,
        cache_dir=cache_dir,
        examples=learning,
        validation=encoded.validating.items,
        recipe=recipe,
        pad_id=encoded.pad_id,
        seed=settings.training.seed,
        fit=fit,
        checkpoints=checkpoints,
        minutes=settings.training.checkpoint_minutes,
        longest=encoded.longest,
    )
    callbacks.stage("train")
    start_helpers(job)
    model, learned = run_job(job, base, report=callbacks.step, say=callbacks.say)
    release_helpers()
    return model, learned


def open_base(settings: TrainerSettings, cache_dir: Path) -> LoadedBase:
    """The base as it is trained on and measured with. Raises ModelError when it cannot be loaded, adapted or served."""
    ref, directory = convert_base(settings.model, cache_dir)
    check_suitable(ref.id, AutoConfig.from_pretrained(directory, trust_remote_code=False), settings.model)
    return load_for_training(settings.model, cache_dir)


def _fit(base: LoadedBase, recipe: Recipe, learning: Sequence[Example], settings: TrainerSettings) -> Fit:
    """How much goes into a forward pass, from the shape of the base and the memory that is free now."""
    config = settings.training
    longest = max(len(example.ids) for example in learning)
    packed = base.device.type == "cuda" and not recipe.neftune and has_known_layers(base.model)
    size, drops = base.dtype.itemsize, recipe.dropout > 0
    work = Workload(recipe.batch, longest, recipe.rank, dropout=drops, compute=size, packed=packed)
    try:
        shape = ModelShape.from_config(base.model.config.to_dict())
    except KeyError:  # not a shape that can be estimated: the careful choice
        return Fit(config.checkpointing != "off", config.pass_tokens or longest)
    fit = choose_fit(shape, work, free_bytes(base.device), longest=longest, wish=config.checkpointing)
    return replace(fit, tokens=config.pass_tokens) if config.pass_tokens else fit


def _save(model: Any, base: LoadedBase, directory: Path) -> Path:
    """Write the challenger in PEFT's format: adapter_config.json and adapter_model.safetensors."""
    model.peft_config[CHALLENGER].base_model_name_or_path = base.id
    # "auto" would look the base up on the network to see whether its embeddings were resized; ours never are.
    model.save_pretrained(directory, selected_adapters=[CHALLENGER], save_embedding_layers=False)
    saved = directory / CHALLENGER
    (directory / "README.md").unlink(missing_ok=True)
    (saved / "README.md").unlink(missing_ok=True)
    return saved
