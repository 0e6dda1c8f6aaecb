"""An adapter's weights side by side in one tensor, so that a step of the optimizer is one call instead of hundreds.

bitsandbytes waits for the GPU after each tensor it updates, and a 7B model's adapter has 448 of them. It is a module of
its own, so that nobody who looks for what is trained has to walk through the base.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch.nn import Module, Parameter

__all__ = ["FlatAdapter", "flattened"]

_BLOCK = 256
"""Numbers that share a scale in an 8-bit optimizer state."""


class FlatAdapter(Module):
    """Views of one tensor of all weights, of its gradient, and of its copy in the compute type.

    Attributes:
        whole: what is optimised, fp32.
        gradient: of `whole`; it stays in place, so that captured passes can add to it.
        compute: `whole` in the compute type, as of the last `refresh`.
    """

    def __init__(self, groups: Sequence[Sequence[Parameter]], dtype: torch.dtype) -> None:
        super().__init__()
        self._place: dict[int, int] = {}
        size = 0
        for group in groups:
            size = -(-size // _BLOCK) * _BLOCK
            for weight in group:
                self._place[id(weight)] = size
                size += weight.numel()
        weights = [weight for group in groups for weight in group]
        device = weights[0].device
        self.whole = Parameter(torch.zeros(size, device=device))
        self.gradient = torch.zeros(size, device=device)
        self.compute = torch.zeros(size, device=device, dtype=dtype)
        with torch.no_grad():
            for weight in weights:
                self.view(self.whole.data, weight).copy_(weight)

    def view(self, of: torch.Tensor, weight: Parameter) -> torch.Tensor:
        """The part of one of the three tensors that belongs to a weight, in its shape."""
        start = self._place[id(weight)]
        return of[start : start + weight.numel()].view(weight.shape)

    def joined(self, of: torch.Tensor, group: Sequence[Parameter]) -> torch.Tensor:
        """The part that belongs to a group of weights of equal width, [rows of all, width]."""
        start = self._place[id(group[0])]
        return of[start : start + sum(weight.numel() for weight in group)].view(-1, group[0].shape[1])

    def refresh(self) -> None:
        """Copy the weights into the compute type."""
        self.compute.copy_(self.whole.detach())

    def offer(self) -> None:
        """Hand the gradient to the optimizer."""
        self.whole.grad = self.gradient


@contextmanager
def flattened(groups: Sequence[Sequence[Parameter]], dtype: torch.dtype) -> Iterator[FlatAdapter]:
    """Train weights as one inside this context; they stay up to date as its views.

    Those of a group lie side by side.
    """
    flat = FlatAdapter(groups, dtype)
    weights = [weight for group in groups for weight in group]
    for weight in weights:
        weight.data = flat.view(flat.whole.data, weight)
        weight.requires_grad = False
    try:
        yield flat
    finally:
        for weight in weights:
            weight.data = weight.data.clone()
            weight.requires_grad = True
