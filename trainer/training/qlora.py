"""QLoRA: trains one adapter on a frozen 4-bit base with transformers' Trainer. Touches no file but its checkpoints.

h = W x + (alpha / r) B A x, with W the frozen NF4 weights and A, B in fp32 (Hu et al. 2021; Dettmers et al. 2023). The
adapters stay in fp32 because bf16 loses the small updates; they are never merged.

The Trainer is given whole optimizer steps (`trainer.training.batches`) and leaves it to `trainer.training.steps` how
each is computed. It keeps what it is good at: optimizer, schedule, clipping, logging, checkpoints, resuming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model
from peft.helpers import disable_input_dtype_casting

from model.adapter.target_modules import targets
from trainer.errors import RunInterrupted, TrainingDiverged
from trainer.training import checkpoint, distributed
from trainer.training.batches import plan_steps
from trainer.training.callbacks import CheckpointCallback
from trainer.training.checkpoint import FINISHED, CheckpointState
from trainer.training.fused_autograd import fused_autograd
from trainer.training.interruption import Interruption
from trainer.training.memory import Fit
from trainer.training.packed_passes import packed_passes, packs_well
from trainer.training.recipe import Recipe
from trainer.training.step_trainer import Report, ReportCallback, StepTrainer, arguments
from trainer.training.steps import Passes
from trainer.training.tokens import Example

__all__ = ["CHALLENGER", "Learned", "Report", "attach_adapter", "train"]

CHALLENGER = "challenger"
"""The name of the adapter in training, among those on the base."""


@dataclass(frozen=True)
class Learned:
    """How training went. The weights of the best step are the ones that stay.

    Attributes:
        eval_loss: mean over the validation tokens at the best step, in nats.
        tokens: learned from, counted as often as they were seen, without padding.
        fresh_tokens: those of them that this process learned from, after it resumed.
        checkpointing: whether activations were computed again at the end.
        pass_tokens: most tokens in a forward pass at the end.
    """

    steps: int
    best_step: int
    eval_loss: float
    tokens: int
    fresh_tokens: int
    checkpointing: bool
    pass_tokens: int


def attach_adapter(model: Any, recipe: Recipe) -> Any:
    """Put a fresh adapter on every layer that may have one; returns the PEFT model, whose base stays frozen."""
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        use_rslora=recipe.rslora,
        target_modules=targets(model),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config, adapter_name=CHALLENGER)


def train(
    model: Any,
    examples: Sequence[Example],
    validation: Sequence[Example],
    recipe: Recipe,
    *,
    pad_id: int,
    seed: int,
    fit: Fit,
    checkpoints: Path,
    minutes: float,
    report: Report,
    say: Callable[[str], None],
) -> Learned:
    """Train the challenger in place and leave it at its best step. Resumes from a checkpoint when there is one.

    Every process of an `accelerate launch` calls this with the same arguments; each computes its share of every step.

    Args:
        model: from `attach_adapter`.
        examples: to learn from.
        validation: only to find the best step and when to stop; never the hold-out.
        recipe: every value resolved.
        pad_id: what batches are padded with.
        seed: of order, dropout and noise.
        fit: how much goes into a forward pass; lowered when memory runs out all the same.
        checkpoints: a folder for what a stopped training resumes from. The caller empties it.
        minutes: between two checkpoints; 0 writes one at every step.
        report: called at each step.
        say: called with what is out of the ordinary.

    Raises:
        RunInterrupted: a signal asked it to stop; a checkpoint was written.
        MemoryShort: not even one pair fits.
        TrainingDiverged: no evaluation gave a number.
    """
    weights = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    packs = packs_well(model, CHALLENGER, recipe)
    mark = checkpoint.fingerprint(examples, validation, recipe, seed) + (" packed" if packs else "")
    plan = plan_steps([len(e.ids) for e in examples], batch=recipe.batch, epochs=recipe.epochs, seed=seed)
    found = checkpoint.latest(checkpoints, mark)
    work = _Work(model, weights, examples, validation, recipe, plan, seed, checkpoints, found)
    if found is not None:
        fit = _resumed(found, say)
        if found[0].name == FINISHED or found[1].without_progress >= recipe.patience:
            checkpoint.copy_into(weights, found[0], best=True)
            return work.learned(found[1])

    longest = max(len(example.ids) for example in (*examples, *validation))
    way = packed_passes(model, CHALLENGER, recipe, longest) if packs else _padded(model)
    with Interruption() as interruption, way as packed:
        passes = Passes(model, examples, validation, recipe.micro_batch, fit, pad_id=pad_id, say=say, packed=packed)
        passes.prepare(plan[work.began :])
        callback = CheckpointCallback(
            weights, passes, interruption, mark=mark, patience=recipe.patience, minutes=minutes
        )
        last = _run_loop(work, passes, callback, packed.flat if packed is not None else model, report)
    return work.learned(_finish(callback, last, checkpoints))


@dataclass(frozen=True)
class _Work:
    """What a training works on, the weights that it trains, and the checkpoint that it resumes from, if any."""

    model: Any
    weights: Sequence[tuple[str, Any]]
    examples: Sequence[Example]
    validation: Sequence[Example]
    recipe: Recipe
    plan: Sequence[tuple[int, ...]]
    seed: int
    checkpoints: Path
    found: tuple[Path, CheckpointState] | None

    @property
    def began(self) -> int:
        """The step that this process begins after."""
        return self.found[1].step if self.found is not None else 0

    def learned(self, saved: CheckpointState) -> Learned:
        """How a training went that ended in this state."""
        assert saved.best_loss is not None  # noqa: S101 - a training that ended has a best step
        tokens = [sum(len(self.examples[index].ids) for index in step) for step in self.plan[: saved.step]]
        return Learned(
            steps=saved.step,
            best_step=saved.best_step,
            eval_loss=saved.best_loss,
            tokens=sum(tokens),
            fresh_tokens=sum(tokens[self.began :]),
            checkpointing=saved.checkpointing,
            pass_tokens=saved.pass_tokens,
        )


def _resumed(found: tuple[Path, CheckpointState], say: Callable[[str], None]) -> Fit:
    """How much went into a forward pass when the training stopped; says where it resumes."""
    saved = found[1]
    say(f"Training {'had ended' if found[0].name == FINISHED else 'resumes'} at step {saved.step}")
    return Fit(saved.checkpointing, saved.pass_tokens)


def _run_loop(work: _Work, passes: Passes, callback: CheckpointCallback, model: Any, report: Report) -> int:
    """Make the steps that are left, in the Trainer's loop; returns the last one's number. Raises RunInterrupted."""
    found = work.found
    if found is not None:
        callback.resume(*found)
    trainer = StepTrainer(
        passes,
        callback,
        model=model,
        args=arguments(
            work.model,
            work.recipe,
            len(work.examples),
            seed=work.seed,
            checkpoints=work.checkpoints,
            owed=callback.owes_evaluation,
        ),
        train_dataset=work.plan,
        eval_dataset=work.validation,
        callbacks=[callback, ReportCallback(report)],
    )
    trainer.train(resume_from_checkpoint=str(found[0]) if found is not None else None)
    last = int(trainer.state.global_step)
    if callback.stopped:
        raise RunInterrupted(last)
    if callback.best_step < 0:  # too few steps for a regular evaluation
        trainer.evaluate()
    return last


def _finish(callback: CheckpointCallback, last: int, checkpoints: Path) -> CheckpointState:
    """Put the best weights in place and keep that the training ended. Raises TrainingDiverged."""
    if callback.best_step < 0:
        raise TrainingDiverged
    callback.restore()
    saved = callback.checkpoint_state(last)
    if distributed.is_first():
        checkpoint.save_finished(checkpoints, saved, callback.best)
    return saved


@contextmanager
def _padded(model: Any) -> Iterator[None]:
    """Passes of transformers' modules, padded to the longest pair."""
    with fused_autograd(model, CHALLENGER), disable_input_dtype_casting(model):
        yield
