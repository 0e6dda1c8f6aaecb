"""Whether training fits beside an engine that is answering. Pure: sizes in, a decision out."""

from __future__ import annotations

from trainer.settings import TrainingConfig
from trainer.training.memory import ModelShape, Workload, training_footprint

__all__ = ["least_bytes", "must_sleep"]

_CONTEXT_BYTES = 0.7e9
"""What a process takes on a GPU before it has allocated anything, and what its allocator wastes."""


def least_bytes(shape: ModelShape, config: TrainingConfig) -> float:
    """The least that a training process needs: one example of full length in a pass, activations computed again."""
    work = Workload(
        rows=1,
        tokens=config.max_tokens,
        rank=config.rank or 16,
        dropout=bool(config.dropout),
        checkpointing=config.checkpointing != "off",
    )
    return training_footprint(shape, "qlora", work).total + _CONTEXT_BYTES


def must_sleep(*, need: float, free: float, held: float) -> bool:
    """Whether the engine has to give its memory back first.

    Args:
        need: bytes that training takes at least.
        free: bytes of the GPU that nobody uses.
        held: bytes that the engine would give back; with none it is left alone.
    """
    return held > 0 and need > free
