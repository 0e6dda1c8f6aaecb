"""QLoRA: trains one adapter on a frozen 4-bit base with transformers' Trainer. Touches no file but its scratch folder.

h = W x + (alpha / r) B A x, with W the frozen NF4 weights and A, B in fp32 (Hu et al. 2021; Dettmers et al. 2023). The
adapters stay in fp32 because bf16 loses the small updates; they are never merged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import Trainer, TrainerCallback, TrainingArguments

from trainer.errors import TrainingDiverged
from trainer.likelihood import completion_losses
from trainer.recipe import Recipe
from trainer.tokens import Collator, Example

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
        tokens: learned from, counted as often as they were seen.
    """

    steps: int
    best_step: int
    eval_loss: float
    tokens: int


def attach_adapter(model: Any, recipe: Recipe) -> Any:
    """Put a fresh adapter on every linear layer of the base; gives the PEFT model, whose base stays frozen."""
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
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
    checkpointing: bool,
    scratch: Path,
    report: Report,
) -> Learned:
    """Train the challenger in place and leave it at its best step.

    Args:
        model: from `attach_adapter`.
        examples: to learn from.
        validation: only to find the best step and when to stop; never the hold-out.
        recipe: every value resolved.
        pad_id: what batches are padded with.
        seed: of order, dropout and initial weights' use.
        checkpointing: compute activations twice instead of keeping them.
        scratch: a folder for whatever the Trainer wants to write.
        report: hears of each step.

    Raises:
        TrainingDiverged: no evaluation gave a number.
    """
    keep_best = _KeepBest(model, recipe.patience)
    trainer = _CompletionTrainer(
        model=model,
        args=_arguments(model, recipe, len(examples), seed=seed, checkpointing=checkpointing, scratch=scratch),
        train_dataset=_rows(examples),
        eval_dataset=_rows(validation),
        data_collator=Collator(pad_id),
        callbacks=[keep_best, _Reporter(report)],
    )
    trainer.pop_callback(_printer())
    trainer.train()
    if keep_best.best_step < 0:  # too few steps for the rhythm of evaluations
        trainer.evaluate()
    if keep_best.best_step < 0:
        raise TrainingDiverged
    keep_best.restore()
    steps = int(trainer.state.global_step)
    per_epoch = sum(len(example.ids) for example in examples)
    tokens = round(per_epoch * steps / recipe.steps_per_epoch(len(examples)))
    return Learned(steps, keep_best.best_step, keep_best.best_loss, tokens)


class _CompletionTrainer(Trainer):
    """Trainer with the loss on completions only, which computes no scores for the prompt."""

    loss_is_scaled_for_ga = True

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """Mean loss over the labelled tokens of the whole accumulated batch."""
        losses, _ = completion_losses(model, inputs)
        count = num_items_in_batch if num_items_in_batch is not None else losses.numel()
        loss = losses.sum() / count
        return (loss, {"losses": losses}) if return_outputs else loss


class _KeepBest(TrainerCallback):
    """Remembers the adapter of the best evaluation in memory, and stops when `patience` of them brought nothing."""

    def __init__(self, model: Any, patience: int) -> None:
        self._model = model
        self._patience = patience
        self._without_progress = 0
        self._best: dict[str, torch.Tensor] = {}
        self.best_loss = math.inf
        self.best_step = -1

    def on_evaluate(
        self,
        args: Any,  # noqa: ARG002 - the signature is the library's
        state: Any,
        control: Any,
        **kwargs: Any,
    ) -> None:
        loss = kwargs["metrics"]["eval_loss"]
        if loss < self.best_loss:
            self.best_loss, self.best_step, self._without_progress = loss, state.global_step, 0
            self._best = {name: weight.detach().cpu().clone() for name, weight in self._trained()}
            return
        self._without_progress += 1
        control.should_training_stop |= self._without_progress >= self._patience

    def restore(self) -> None:
        """Put the best adapter back in place."""
        with torch.no_grad():
            for name, weight in self._trained():
                weight.copy_(self._best[name])

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(name, weight) for name, weight in self._model.named_parameters() if weight.requires_grad]


class _Reporter(TrainerCallback):
    """Hands the Trainer's figures on as they come."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def on_log(
        self,
        args: Any,  # noqa: ARG002 - the signature is the library's
        state: Any,
        control: Any,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> None:
        logs = kwargs["logs"]
        wanted = ("loss", "eval_loss", "learning_rate", "grad_norm")
        values = {name: float(logs[name]) for name in wanted if name in logs}
        if values:
            self._report(state.global_step, state.max_steps, values)


def _arguments(
    model: Any, recipe: Recipe, pairs: int, *, seed: int, checkpointing: bool, scratch: Path
) -> TrainingArguments:
    device = next(model.parameters()).device
    every = recipe.steps_between_evaluations(pairs)
    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.micro_batch,
        per_device_eval_batch_size=2 * recipe.micro_batch,
        gradient_accumulation_steps=recipe.accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        optim="paged_adamw_8bit",
        bf16=model.dtype == torch.bfloat16,
        activation_checkpointing=checkpointing,
        train_sampling_strategy="group_by_length",
        eval_strategy="steps",
        eval_steps=every,
        prediction_loss_only=True,
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=device.type == "cuda",
        use_cpu=device.type == "cpu",
        seed=seed,
        data_seed=seed,
    )


def _rows(examples: Sequence[Example]) -> Dataset:
    return Dataset.from_list(
        [{"input_ids": list(example.ids), "labels": example.labels, "length": len(example.ids)} for example in examples]
    )


def _printer() -> type[TrainerCallback]:
    from transformers.trainer_callback import PrinterCallback

    return PrinterCallback
