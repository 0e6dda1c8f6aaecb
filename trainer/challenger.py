"""The night's challenger: the base is opened, an adapter is trained on it and saved. Knows neither store nor gate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from model.base.conversion import convert_base
from model.base.loading import LoadedBase
from model.serving.suitability import check_suitable
from trainer.encoded_snapshot import EncodedSnapshot
from trainer.settings import TrainerSettings
from trainer.training.base import free_bytes
from trainer.training.helpers import TrainingJob, load_for_training, release_helpers, run_job, start_helpers
from trainer.training.memory import Fit, ModelShape, Workload, choose_fit
from trainer.training.packed_decoder import has_known_layers
from trainer.training.qlora import CHALLENGER, Learned
from trainer.training.recipe import Recipe, resolve
from trainer.training.tokens import Example

__all__ = ["RunCallbacks", "Trained", "open_base", "save_challenger", "train_challenger"]


@dataclass(frozen=True)
class RunCallbacks:
    """Called as the run goes: with the stage, a sentence, a training step (number, total, figures)."""

    stage: Callable[[str], None]
    say: Callable[[str], None]
    step: Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class Trained:
    """The PEFT model with the challenger on it, and how that was trained."""

    model: Any
    recipe: Recipe
    learned: Learned
    seconds: float


def open_base(settings: TrainerSettings, cache_dir: Path) -> LoadedBase:
    """The base as it is trained on and measured with. Raises ModelError when it cannot be loaded, adapted or served."""
    ref, directory = convert_base(settings.model, cache_dir)
    check_suitable(ref.id, AutoConfig.from_pretrained(directory, trust_remote_code=False), settings.model)
    return load_for_training(settings.model, cache_dir)


def train_challenger(
    settings: TrainerSettings,
    base: LoadedBase,
    encoded: EncodedSnapshot,
    *,
    cache_dir: Path,
    checkpoints: Path,
    callbacks: RunCallbacks,
) -> Trained:
    """Train a challenger, with the other processes of an `accelerate launch` if there are any.

    Raises:
        RunInterrupted: a signal asked it to stop; a checkpoint was written.
        MemoryShort: not even one pair fits.
        TrainingDiverged: no evaluation gave a number.
    """
    config, learning = settings.training, encoded.learning.items
    recipe = resolve(config, pairs=len(learning), parameters=base.model.num_parameters())
    began = time.monotonic()
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
        seed=config.seed,
        fit=fit,
        checkpoints=checkpoints,
        minutes=config.checkpoint_minutes,
        longest=encoded.longest,
    )
    callbacks.stage("train")
    start_helpers(job)
    model, learned = run_job(job, base, report=callbacks.step, say=callbacks.say)
    release_helpers()
    seconds = time.monotonic() - began
    callbacks.say(
        f"Trained {learned.steps} steps in {seconds:.0f} s ({learned.fresh_tokens / seconds:.0f} tokens/s), "
        f"best at step {learned.best_step} with validation loss {learned.eval_loss:.3f}"
    )
    return Trained(model, recipe, learned, seconds)


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


def save_challenger(model: Any, base: LoadedBase, directory: Path) -> Path:
    """Write the challenger in PEFT's format: adapter_config.json and adapter_model.safetensors."""
    model.peft_config[CHALLENGER].base_model_name_or_path = base.id
    # "auto" would look the base up on the network to see whether its embeddings were resized; ours never are.
    model.save_pretrained(directory, selected_adapters=[CHALLENGER], save_embedding_layers=False)
    saved = directory / CHALLENGER
    (directory / "README.md").unlink(missing_ok=True)
    (saved / "README.md").unlink(missing_ok=True)
    return saved
