"""The Trainer callback that keeps the best adapter, writes checkpoints, and decides when training stops."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from trainer.training import checkpoint, distributed
from trainer.training.checkpoint import CheckpointState
from trainer.training.interruption import Interruption
from trainer.training.steps import Passes

__all__ = ["CheckpointCallback"]


class CheckpointCallback(TrainerCallback):
    """Keeps the best adapter and writes checkpoints. Stops training when there is no progress, or at a signal."""

    def __init__(
        self,
        trained: list[tuple[str, torch.nn.Parameter]],
        passes: Passes,
        interruption: Interruption,
        *,
        mark: str,
        patience: int,
        minutes: float,
    ) -> None:
        self.trained = trained
        self._mark = mark
        self._patience = patience
        self._seconds = 60 * minutes
        self._saved_at = time.monotonic()
        self._passes = passes
        self._interruption = interruption
        self._without_progress = 0
        self.best: dict[str, torch.Tensor] = {}
        self.best_loss = math.inf
        self.best_step = -1
        self.owes_evaluation = False
        self.stopped = False

    def resume(self, directory: Path, saved: CheckpointState) -> None:
        """Remember what the process before this one knew."""
        self.best = checkpoint.best_of(directory)
        self.best_loss = math.inf if saved.best_loss is None else saved.best_loss
        self.best_step = saved.best_step
        self._without_progress = saved.without_progress
        self.owes_evaluation = saved.owes_evaluation

    def is_asked(self) -> bool:
        """Whether to stop in the middle of something. Several processes agree on it only at the end of a step."""
        return self.stopped or (self._interruption.asked and distributed.count() == 1)

    def stop(self, control: Any) -> None:
        """Save, then leave the loop."""
        self.stopped = True
        control.should_save = control.should_training_stop = True

    def on_step_end(
        self,
        args: Any,  # noqa: ARG002 - the signature is the library's
        state: Any,  # noqa: ARG002 - as above
        control: Any,
        **kwargs: Any,  # noqa: ARG002 - as above
    ) -> None:
        stop, save = distributed.any_of(self._interruption.asked, time.monotonic() - self._saved_at >= self._seconds)
        if stop:
            self.stop(control)
        control.should_save |= save

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
            self.best = {name: weight.detach().cpu().clone() for name, weight in self.trained}
            return
        self._without_progress += 1
        control.should_training_stop |= self._without_progress >= self._patience

    def on_save(
        self,
        args: Any,
        state: Any,
        control: Any,  # noqa: ARG002 - the signature is the library's
        **kwargs: Any,  # noqa: ARG002 - as above
    ) -> None:
        distributed.wait_for_all()  # each has written its random state
        self._saved_at = time.monotonic()
        if distributed.is_first():
            adapter = {name: weight.detach().cpu() for name, weight in self.trained}
            directory = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            checkpoint.write(directory, self.checkpoint_state(state.global_step), adapter, self.best)

    def checkpoint_state(self, step: int) -> CheckpointState:
        """What a checkpoint at this step says of the training."""
        return CheckpointState(
            fingerprint=self._mark,
            step=step,
            best_step=self.best_step,
            best_loss=self.best_loss if self.best_step >= 0 else None,
            without_progress=self._without_progress,
            owes_evaluation=self.owes_evaluation,
            pass_tokens=self._passes.fit.tokens,
            checkpointing=self._passes.fit.checkpointing,
        )

    def restore(self) -> None:
        """Put the best adapter back in place."""
        with torch.no_grad():
            for name, weight in self.trained:
                weight.copy_(self.best[name])
