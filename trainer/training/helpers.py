"""Training with several processes: process 0 makes the run, the others help it train and do nothing else.

`accelerate launch -m trainer` starts the same program several times. Process 0 has the lock, the store and the verdict;
when it comes to training it hands the others an job, and when training is over they go home. Each loads the base
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

__all__ = [
    "TrainingJob",
    "help_training",
    "is_helper",
    "load_for_training",
    "release_helpers",
    "run_job",
    "start_helpers",
]

log = logging.getLogger(__name__)

_RENDEZVOUS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class TrainingJob:
    """The arguments of `trainer.training.qlora.train`, and the base to load."""

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
    """Wait for a job and do it; returns the exit code of a helper."""
    from trainer.errors import TrainerError
    from trainer.training import distributed

    _join()
    job: TrainingJob | None = distributed.share(None)
    if job is None:
        return 0
    base = load_for_training(job.model, job.cache_dir)
    try:
        run_job(job, base, report=lambda *_: None, say=lambda _: None)
    except TrainerError as error:  # process 0 raises it too and reports it
        log.info("%s", error)
    return 0


def start_helpers(job: TrainingJob) -> None:
    """Send the job to the other processes, if there are any. Process 0 calls this once per run."""
    if _launched():
        from trainer.training import distributed

        _join()
        distributed.share(job)


def release_helpers() -> None:
    """Let the helpers exit. Process 0 calls this when training is over, or when it never began."""
    if not _launched():
        return
    from accelerate.state import AcceleratorState
    from torch.distributed import destroy_process_group, is_initialized

    from trainer.training import distributed

    if not is_initialized():  # the helpers still wait for a job
        _join()
        distributed.share(None)
    destroy_process_group()
    AcceleratorState._reset_state(reset_partial_state=True)  # noqa: SLF001 - it would still count the others
    for name in _RENDEZVOUS:
        os.environ.pop(name, None)


def load_for_training(config: ModelConfig, cache_dir: Path) -> LoadedBase:
    """The base, prepared for training on this process's device. Raises ModelError."""
    from model.base.device import pick_device
    from model.base.loading import load_base
    from trainer.training.base import forbid_repacking, training_dtype

    device = pick_device(config.device)
    base = load_base(replace(config, dtype=training_dtype(device, config.dtype)), cache_dir)
    forbid_repacking(base.model)
    return base


def run_job(job: TrainingJob, base: LoadedBase, *, report: Report, say: Callable[[str], None]) -> tuple[Any, Learned]:
    """Put an adapter on the base and train it, together with the other processes; returns the PEFT model too."""
    import torch

    from trainer.training.base import choose_attention
    from trainer.training.qlora import attach_adapter, train

    choose_attention(base.model, base.device, job.longest)
    torch.manual_seed(job.seed)  # not earlier: a load that converts draws more random numbers
    model = attach_adapter(base.model, job.recipe)
    learned = train(
        model,
        job.examples,
        job.validation,
        job.recipe,
        pad_id=job.pad_id,
        seed=job.seed,
        fit=job.fit,
        checkpoints=job.checkpoints,
        minutes=job.minutes,
        report=report,
        say=say,
    )
    return model, learned


def _launched() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _join() -> None:
    """Join the process group and choose this process's GPU."""
    import torch
    from accelerate import PartialState

    # Process 0 may take long before it trains: a million pairs, a base to convert.
    PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(hours=2))
