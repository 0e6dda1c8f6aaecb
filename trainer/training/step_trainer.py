"""transformers' Trainer with whole optimizer steps as its items: its arguments, what it reports, what it leaves out.

`trainer.training.steps` computes a step on all processes together, `trainer.training.callbacks` writes checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.optim import GlobalOptimManager
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from trainer.training import checkpoint
from trainer.training.callbacks import CheckpointCallback
from trainer.training.recipe import Recipe
from trainer.training.steps import Passes

__all__ = ["Report", "ReportCallback", "StepTrainer", "arguments"]

Report = Callable[[int, int, dict[str, float]], None]
"""Called at each step with its number, the total, and what is new: loss, eval_loss, learning_rate, grad_norm."""


class StepTrainer(Trainer):
    """Trainer whose items are whole optimizer steps, computed by `Passes` on all processes together."""

    def __init__(self, passes: Passes, callback: CheckpointCallback, **options: Any) -> None:
        self._passes = passes
        self._callback = callback
        super().__init__(**options)
        self.pop_callback(PrinterCallback)
        # Gradients of all processes are summed once a step by `Passes`: a wrapped model would sum them at every pass,
        # and divide by the number of processes, whatever share of the labelled tokens each of them had.
        self.accelerator.prepare_model = lambda model, **_options: model

    def train(self, *args: Any, **options: Any) -> Any:
        """Make all steps, and free the base: its embedding is registered with bitsandbytes, which never drops it."""
        try:
            return super().train(*args, **options)
        finally:
            GlobalOptimManager.get_instance().module_weight_config_triple.clear()

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


class ReportCallback(TrainerCallback):
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


def arguments(model: Any, recipe: Recipe, pairs: int, *, seed: int, checkpoints: Path, owed: bool) -> TrainingArguments:
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
