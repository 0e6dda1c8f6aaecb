"""Whether training fits beside an engine that is answering. Pure: sizes in, a decision out."""

from __future__ import annotations

from dataclasses import replace

from trainer.settings import TrainingConfig
from trainer.training.memory import ModelShape, Workload, training_footprint
from trainer.training.packing import size_of

__all__ = ["least_bytes", "must_sleep"]

_CONTEXT_BYTES = 0.7e9
"""What a process takes on a GPU before it has allocated anything, and what its allocator wastes."""


def least_bytes(shape: ModelShape, config: TrainingConfig, *, on_gpu: bool = True) -> float:
    """The least that a training process needs: one example of full length in a pass, activations computed again.

    On a GPU passes are packed or padded, which the layers decide, so the way that takes more counts.
    """
    work = Workload(
        rows=1,
        tokens=config.max_tokens,
        rank=config.rank or 16,
        dropout=bool(config.dropout),
        checkpointing=config.checkpointing != "off",
    )
    ways = [
        replace(work, packed=packed, tokens=size_of(work.tokens) if packed else work.tokens)
        for packed in (False, on_gpu)
    ]
    return max(training_footprint(shape, "qlora", way).total for way in ways) + _CONTEXT_BYTES


def must_sleep(*, need: float, free: float, held: float) -> bool:
    """Whether the engine has to give its memory back first.

    Args:
        need: bytes that training takes at least.
        free: bytes of the GPU that nobody uses.
        held: bytes that the engine would give back; with none it is left alone.
    """
    return held > 0 and need > free
