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

import torch
from bitsandbytes.optim import GlobalOptimManager
from peft import LoraConfig, get_peft_model
from peft.helpers import disable_input_dtype_casting
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

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
from trainer.training.steps import Passes
from trainer.training.tokens import Example

__all__ = ["CHALLENGER", "Learned", "Report", "attach_adapter", "train"]

CHALLENGER = "challenger"
"""The name of the adapter in training, among those on the base."""

Report = Callable[[int, int, dict[str, float]], None]
"""Called at each step with its number, the total, and what is new: loss, eval_loss, learning_rate, grad_norm."""


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
    trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    packs = packs_well(model, CHALLENGER, recipe)
    mark = checkpoint.fingerprint(examples, validation, recipe, seed) + (" packed" if packs else "")
    found = checkpoint.latest(checkpoints, mark)
    if found is not None:
        saved = found[1]
        fit = Fit(saved.checkpointing, saved.pass_tokens)
        ended = found[0].name == FINISHED
        say(f"Training {'had ended' if ended else 'resumes'} at step {saved.step}")
    plan = plan_steps([len(e.ids) for e in examples], batch=recipe.batch, epochs=recipe.epochs, seed=seed)
    if found is not None and (ended or saved.without_progress >= recipe.patience):
        checkpoint.copy_into(trained, found[0], best=True)
        return _learned(saved, plan, examples, began=saved.step)

    longest = max(len(example.ids) for example in (*examples, *validation))
    way = packed_passes(model, CHALLENGER, recipe, longest) if packs else _padded(model)
    with Interruption() as interruption, way as packed:
        passes = Passes(model, examples, validation, recipe.micro_batch, fit, pad_id=pad_id, say=say, packed=packed)
        passes.prepare(plan[saved.step if found is not None else 0 :])
        callback = CheckpointCallback(
            trained, passes, interruption, mark=mark, patience=recipe.patience, minutes=minutes
        )
        if found is not None:
            callback.resume(*found)
        trainer = _StepTrainer(
            passes,
            callback,
            model=packed.flat if packed is not None else model,
            args=_arguments(
                model, recipe, len(examples), seed=seed, checkpoints=checkpoints, owed=callback.owes_evaluation
            ),
            train_dataset=plan,
            eval_dataset=validation,
            callbacks=[callback, _ReportCallback(report)],
        )
        trainer.pop_callback(_printer())
        try:
            trainer.train(resume_from_checkpoint=str(found[0]) if found is not None else None)
        finally:
            _forget_overrides()
        if callback.stopped:
            raise RunInterrupted(int(trainer.state.global_step))
        if callback.best_step < 0:  # too few steps for a regular evaluation
            trainer.evaluate()
    if callback.best_step < 0:
        raise TrainingDiverged
    callback.restore()
    saved = callback.checkpoint_state(int(trainer.state.global_step))
    if distributed.is_first():
        checkpoint.save_finished(checkpoints, saved, callback.best)
    return _learned(saved, plan, examples, began=found[1].step if found is not None else 0)


@contextmanager
def _padded(model: Any) -> Iterator[None]:
    """Passes of transformers' modules, padded to the longest pair."""
    with fused_autograd(model, CHALLENGER), disable_input_dtype_casting(model):
        yield


def _learned(
    saved: CheckpointState, plan: Sequence[tuple[int, ...]], examples: Sequence[Example], *, began: int
) -> Learned:
    assert saved.best_loss is not None  # noqa: S101 - a training that ended has a best step
    tokens = [sum(len(examples[index].ids) for index in step) for step in plan[: saved.step]]
    return Learned(
        steps=saved.step,
        best_step=saved.best_step,
        eval_loss=saved.best_loss,
        tokens=sum(tokens),
        fresh_tokens=sum(tokens[began:]),
        checkpointing=saved.checkpointing,
        pass_tokens=saved.pass_tokens,
    )


def _forget_overrides() -> None:
    """Free the base: the Trainer registers its embedding with bitsandbytes, which never drops it."""
    GlobalOptimManager.get_instance().module_weight_config_triple.clear()


class _StepTrainer(Trainer):
    """Trainer whose items are whole optimizer steps, computed by `Passes` on all processes together."""

    def __init__(self, passes: Passes, callback: CheckpointCallback, **options: Any) -> None:
        self._passes = passes
        self._callback = callback
        super().__init__(**options)
        # Gradients of all processes are summed once a step by `Passes`: a wrapped model would sum them at every pass,
        # and divide by the number of processes, whatever share of the labelled tokens each of them had.
        self.accelerator.prepare_model = lambda model, **_options: model

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Every process gets every step, and takes its share of it."""
        steps: Any = self.train_dataset
        return DataLoader(steps, batch_size=1, shuffle=False, collate_fn=lambda items: items[0])

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:  # noqa: ARG002
        """The gradients of one optimizer step; returns its mean loss over labelled tokens."""
        return self._passes.backward(inputs)

    def evaluate(self, *_args: Any, **_options: Any) -> dict[str, float]:
        """Mean loss over the validation tokens; put off when somebody wants the process to stop."""
        loss = self._passes.validation_loss(self._callback.is_asked)
        if loss is None:
            self._callback.owes_evaluation = True
            self._callback.stop(self.control)
            return {}
        self._callback.owes_evaluation = False
        metrics = {"eval_loss": loss}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def floating_point_ops(self, inputs: Any) -> int:  # noqa: ARG002 - the signature is the library's
        """Not counted."""
        return 0

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002 - as above
        """Make the folder only: the callback writes the adapter. PEFT's way looks the base up on the network."""
        if output_dir is not None:
            Path(output_dir).mkdir(parents=True, exist_ok=True)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ARG002 - as above
        checkpoint.copy_into(self._callback.trained, Path(resume_from_checkpoint))


class _ReportCallback(TrainerCallback):
    """Passes the Trainer's figures on."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def on_log(
        self,
        args: Any,  # noqa: ARG002 - the signature is the library's
        state: Any,
        control: Any,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> None:
        logs, wanted = kwargs["logs"], ("loss", "eval_loss", "learning_rate", "grad_norm")
        values = {name: float(logs[name]) for name in wanted if name in logs}
        if values:
            self._report(state.global_step, state.max_steps, values)


def _arguments(
    model: Any, recipe: Recipe, pairs: int, *, seed: int, checkpoints: Path, owed: bool
) -> TrainingArguments:
    """One item of the loader is one step and one epoch is the whole plan, so everything is counted in steps."""
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        neftune_noise_alpha=recipe.neftune or None,
        optim="paged_adamw_8bit",
        eval_strategy="steps",
        eval_steps=recipe.steps_between_evaluations(pairs),
        eval_on_start=owed,
        save_strategy="no",  # `CheckpointCallback` says when
        save_total_limit=2,  # the one being written is not complete yet
        logging_strategy="steps",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=next(model.parameters()).device.type == "cpu",
        seed=seed,
        data_seed=seed,
    )


def _printer() -> type[TrainerCallback]:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback
