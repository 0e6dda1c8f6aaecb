"""The recipe of one run: every training value resolved, each marked as a default or as set by the operator.

Pure: figures in, figures out. Defaults follow the size of the data and of the base model:

- **rank 16 always.** Less would do below 200 pairs, but an adapter of the rank already in memory is swapped in by
  copying its weights in place; another rank would cost a new allocation in the middle of the day.
- **a small batch for little data**, so that 50 pairs still give enough optimizer steps: those count, not the passes.
- **epochs by the size of data and model.** A small model takes one more pass and a higher rate; early stopping on the
  validation slice ends either sooner.
- **no dropout for a small model.** It brought nothing there, and on a CPU drawing the masks is a fifth of a step.
- **NEFTune and rsLoRA off.** Noise on the embeddings (Jain et al. 2023, arXiv:2310.05914; `neftune` is its alpha, 5 is
  usual) and the factor alpha / sqrt(r) instead of alpha / r (Kalajdzievski 2023, arXiv:2312.03732) are there to try.

The figures behind the defaults are in docs/lab/learning.md.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from trainer.settings import TrainingConfig

__all__ = ["Origin", "Recipe", "resolve", "validation_size"]

Origin = Literal["default", "set"]

SMALL_MODEL = 1_000_000_000
"""Parameters below which a base counts as small."""


@dataclass(frozen=True)
class Recipe:
    """What the training loop is given. Lengths are in pairs, optimizer steps or epochs as the names say.

    `batch` is the pairs of one optimizer step, of all processes together; `micro_batch` the most in one forward pass.
    """

    rank: int
    alpha: int
    dropout: float
    learning_rate: float
    epochs: float
    batch: int
    micro_batch: int
    warmup: float
    weight_decay: float
    max_grad_norm: float
    evaluations_per_epoch: int
    patience: int
    neftune: float
    rslora: bool
    origins: dict[str, Origin]

    def described(self) -> dict[str, dict[str, float | str]]:
        """Each value with its origin, as it is stored with the run and in the adapter's manifest."""
        values = {name: value for name, value in asdict(self).items() if name != "origins"}
        return {name: {"value": value, "origin": self.origins[name]} for name, value in values.items()}

    def line(self) -> str:
        """All values in one line; what the operator set is marked with a star."""
        return ", ".join(
            f"{name} {entry['value']}{'*' if entry['origin'] == 'set' else ''}"
            for name, entry in self.described().items()
        )

    def steps_per_epoch(self, train_pairs: int) -> int:
        return max(1, math.ceil(train_pairs / self.batch))

    def steps_between_evaluations(self, train_pairs: int) -> int:
        return max(1, self.steps_per_epoch(train_pairs) // self.evaluations_per_epoch)


def resolve(config: TrainingConfig, *, pairs: int, parameters: int) -> Recipe:
    """Choose what the operator left open.

    Args:
        config: the settings; None means open.
        pairs: in the training part of the snapshot.
        parameters: of the base model.
    """
    small = parameters < SMALL_MODEL
    batch = 4 if pairs < 200 else 8 if pairs < 1000 else 16
    defaults: dict[str, int | float] = {
        "rank": 16,
        "alpha": 32,
        "dropout": 0.0 if small else 0.05,
        "learning_rate": 5e-4 if small else 2e-4,
        "epochs": _epochs(pairs, small=small),
        "batch": batch,
        "micro_batch": config.batch or batch,
        "warmup": 0.05,
        "weight_decay": 0.0,
        "max_grad_norm": 0.3,
        "evaluations_per_epoch": 2 if pairs < 200 else 4,
        "patience": 2,
        "neftune": 0.0,
        "rslora": False,
    }
    chosen = {name: getattr(config, name) for name in defaults}
    values = {name: defaults[name] if value is None else value for name, value in chosen.items()}
    values["micro_batch"] = min(values["micro_batch"], values["batch"])
    origins: dict[str, Origin] = {name: "default" if value is None else "set" for name, value in chosen.items()}
    return Recipe(**values, origins=origins)  # type: ignore[arg-type]  # the names of the fields, checked by a test


def validation_size(train_pairs: int) -> int:
    """How many pairs of the training part only choose the best moment: a tenth, at least 4, at most 200."""
    return min(200, max(4, train_pairs // 10))


def _epochs(pairs: int, *, small: bool) -> float:
    """Passes over the data: more over little than over much, and one more for a small model."""
    passes = 3.0 if pairs < 1000 else 2.0 if pairs < 5000 else 1.0
    return passes + 1.0 if small else passes
