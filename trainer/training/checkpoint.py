"""What a stopped training resumes from: the adapter, the best one so far, and how far it had come.

The Trainer writes optimizer, schedule and random states into a folder for each checkpoint; this file adds the adapter
and, last of all, `progress.json`. A folder without it was being written when the process died and is passed over. When
training has ended, a folder `finished` holds the best adapter alone. Torch is loaded only to read or write weights.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from trainer.training.recipe import Recipe
    from trainer.training.tokens import Example

__all__ = [
    "FINISHED",
    "CheckpointState",
    "best_of",
    "copy_into",
    "fingerprint",
    "has_checkpoint",
    "latest",
    "save_finished",
    "write",
]

FINISHED = "finished"
_PROGRESS = "progress.json"
_ADAPTER, _BEST = "adapter.safetensors", "best.safetensors"


@dataclass(frozen=True)
class CheckpointState:
    """How far a training had come.

    Attributes:
        fingerprint: of what is trained on and how; another one means another training.
        step: optimizer steps made.
        best_step: -1 while nothing was evaluated.
        best_loss: validation loss at the best step, in nats; None while nothing was evaluated.
        without_progress: evaluations since the best one.
        owes_evaluation: it was stopped when an evaluation was due.
        pass_tokens: most tokens in a forward pass, perhaps lowered since the start.
        checkpointing: whether activations are computed again, perhaps switched on since the start.
    """

    fingerprint: str
    step: int
    best_step: int
    best_loss: float | None
    without_progress: int
    owes_evaluation: bool
    pass_tokens: int
    checkpointing: bool


def fingerprint(examples: Sequence[Example], validation: Sequence[Example], recipe: Recipe, seed: int) -> str:
    """A hash of everything that decides how a training goes."""
    content = hashlib.sha256(json.dumps([recipe.described(), seed], sort_keys=True).encode())
    for group in (examples, validation):
        content.update(b"|")
        for example in group:
            content.update(json.dumps([example.ids, example.prompt_length]).encode())
    return content.hexdigest()


def write(
    directory: Path,
    saved: CheckpointState,
    adapter: Mapping[str, torch.Tensor],
    best: Mapping[str, torch.Tensor],
) -> None:
    """Complete a checkpoint in `directory`: the adapter, the best one (may be empty), then the saved."""
    from safetensors.torch import save_file

    directory.mkdir(parents=True, exist_ok=True)
    save_file(dict(adapter), directory / _ADAPTER)
    save_file(dict(best), directory / _BEST)
    partial = directory / f".{_PROGRESS}"
    with partial.open("w", encoding="utf-8") as file:
        json.dump(asdict(saved), file)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(directory / _PROGRESS)


def save_finished(checkpoints: Path, saved: CheckpointState, best: Mapping[str, torch.Tensor]) -> None:
    """Keep the outcome of a training that has ended, and delete what it could have resumed from."""
    write(checkpoints / FINISHED, saved, {}, best)
    for old in checkpoints.glob("checkpoint-*"):
        shutil.rmtree(old, ignore_errors=True)


def latest(checkpoints: Path, wanted: str) -> tuple[Path, CheckpointState] | None:
    """The furthest complete checkpoint of the training with the fingerprint `wanted`; None when there is none."""
    found = [(path, saved) for path, saved in _complete(checkpoints) if saved.fingerprint == wanted]
    return max(found, key=lambda entry: (entry[0].name == FINISHED, entry[1].step), default=None)


def has_checkpoint(checkpoints: Path) -> bool:
    """Whether there is a checkpoint to resume from."""
    return any(True for _ in _complete(checkpoints))


def copy_into(weights: Iterable[tuple[str, torch.Tensor]], directory: Path, *, best: bool = False) -> None:
    """Put the adapter (or the best one) of a checkpoint in place."""
    import torch
    from safetensors.torch import load_file

    saved = load_file(directory / (_BEST if best else _ADAPTER))
    with torch.no_grad():
        for name, weight in weights:
            weight.copy_(saved[name])


def best_of(directory: Path) -> dict[str, torch.Tensor]:
    """The best adapter of a checkpoint, on the CPU; empty when nothing was evaluated yet."""
    from safetensors.torch import load_file

    return dict(load_file(directory / _BEST))


def _complete(checkpoints: Path) -> Iterable[tuple[Path, CheckpointState]]:
    for path in [*checkpoints.glob("checkpoint-*"), checkpoints / FINISHED]:
        try:
            values: dict[str, Any] = json.loads((path / _PROGRESS).read_text(encoding="utf-8"))
            yield path, CheckpointState(**values)
        except (OSError, ValueError, TypeError):
            continue
