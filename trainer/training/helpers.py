"""Training by several processes: process 0 makes the run, the others help it train and know nothing else.

`accelerate launch -m trainer` starts the same program several times. Process 0 has the lock, the store and the verdict;
when it comes to training it hands the others an assignment, and when training is over they go home. Each loads the base
for itself; the home must be on storage that all of them see.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model.base.loading import LoadedBase
    from model.config import ModelConfig
    from trainer.training.memory import Fit
    from trainer.training.qlora import Learned, Report
    from trainer.training.recipe import Recipe
    from trainer.training.tokens import Example

__all__ = ["Assignment", "carry_out", "dismiss", "help_training", "hire", "is_helper", "load_for_training"]

log = logging.getLogger(__name__)

_RENDEZVOUS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Assignment:
    """All that `trainer.training.qlora.train` is told, and which base it is about."""

    model: ModelConfig
    cache_dir: Path
    examples: Sequence[Example]
    validation: Sequence[Example]
    recipe: Recipe
    pad_id: int
    seed: int
    fit: Fit
    checkpoints: Path
    minutes: float
    longest: int


def is_helper() -> bool:
    """Whether this process was launched to help another one."""
    return int(os.environ.get("RANK", "0")) > 0


def help_training() -> int:
    """The whole life of a helper; gives its exit code."""
    from trainer.errors import TrainerError
    from trainer.training import distributed as ranks

    _join()
    assignment: Assignment | None = ranks.share(None)
    if assignment is None:
        return 0
    base = load_for_training(assignment.model, assignment.cache_dir)
    try:
        carry_out(assignment, base, report=lambda *_: None, say=lambda _: None)
    except TrainerError as error:  # process 0 has it too, and says it
        log.info("%s", error)
    return 0


def hire(assignment: Assignment) -> None:
    """Hand the assignment to the other processes, when there are any. Process 0 calls this once a run."""
    if _launched():
        from trainer.training import distributed as ranks

        _join()
        ranks.share(assignment)


def dismiss() -> None:
    """Go on alone: called by process 0 when training is over, or when it never came to it."""
    if not _launched():
        return
    from accelerate.state import AcceleratorState
    from torch import distributed

    from trainer.training import distributed as ranks

    if not distributed.is_initialized():  # nobody was hired
        _join()
        ranks.share(None)
    distributed.destroy_process_group()
    AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - what would believe in the others still
    for name in _RENDEZVOUS:
        os.environ.pop(name, None)


def load_for_training(config: ModelConfig, cache_dir: Path) -> LoadedBase:
    """The base, fit for training on this process's device. Raises ModelError."""
    from model.base.device import pick_device
    from model.base.loading import load_base
    from trainer.training import base as frozen

    device = pick_device(config.device)
    base = load_base(replace(config, dtype=frozen.training_dtype(device, config.dtype)), cache_dir)
    frozen.forbid_repacking(base.model)
    return base


def carry_out(
    assignment: Assignment, base: LoadedBase, *, report: Report, say: Callable[[str], None]
) -> tuple[Any, Learned]:
    """Put an adapter on the base and train it, together with the other processes; gives the PEFT model too."""
    import torch

    from trainer.training import base as frozen
    from trainer.training.qlora import attach_adapter, train

    frozen.choose_attention(base.model, base.device, assignment.longest)
    torch.manual_seed(assignment.seed)  # not earlier: loading draws a different number of times when it converts
    model = attach_adapter(base.model, assignment.recipe)
    learned = train(
        model,
        assignment.examples,
        assignment.validation,
        assignment.recipe,
        pad_id=assignment.pad_id,
        seed=assignment.seed,
        fit=assignment.fit,
        checkpoints=assignment.checkpoints,
        minutes=assignment.minutes,
        report=report,
        say=say,
    )
    return model, learned


def _launched() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _join() -> None:
    """Meet the other processes, and take the GPU that is this one's."""
    import torch
    from accelerate import PartialState

    # Process 0 may take long to come to training: a million pairs, a base to be converted.
    PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(hours=2))
