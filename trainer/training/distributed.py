"""The processes of an `accelerate launch` as one: what they sum and what they agree on.

With one process, each function does the obvious thing. Process 0 is the one that writes and prints.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import distributed

__all__ = ["any_of", "count", "index", "is_first", "share", "sum_gradients", "total", "wait_for_all"]


def count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def index() -> int:
    """The number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_first() -> bool:
    """Whether this process writes and prints."""
    return index() == 0


def wait_for_all() -> None:
    """Wait until all processes have come here."""
    if count() > 1:
        distributed.barrier()


def total(*values: torch.Tensor) -> list[torch.Tensor]:
    """Each number summed over all processes."""
    if count() == 1:
        return list(values)
    stacked = torch.stack([value.double() for value in values])
    distributed.all_reduce(stacked)
    return list(stacked)


def any_of(*flags: bool) -> list[bool]:
    """Each flag true everywhere if it is true anywhere."""
    if count() == 1:
        return list(flags)
    device = torch.device("cuda", torch.cuda.current_device()) if distributed.get_backend() == "nccl" else None
    raised = torch.tensor([float(flag) for flag in flags], device=device)
    distributed.all_reduce(raised)
    return [value > 0 for value in raised.tolist()]


def sum_gradients(weights: Iterable[torch.nn.Parameter]) -> None:
    """Add the gradients of all processes up, in one message."""
    if count() == 1:
        return
    trained = list(weights)
    gradients = [torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in trained]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    at = 0
    for weight in trained:
        weight.grad = flat[at : at + weight.numel()].view_as(weight)
        at += weight.numel()


def share(value: Any) -> Any:
    """Process 0's value, on every process."""
    if count() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]
