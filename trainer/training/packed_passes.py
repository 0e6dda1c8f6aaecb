"""Packed passes with their loss: the gradients of pairs that lie one behind the other, captured where that pays.

A pass is two parts with the loss between them: to the last hidden states, and back from their gradient. On a GPU each
part is captured as a CUDA graph for every size that comes often, since starting 3,000 kernels one by one takes a
slow host longer than the GPU needs to run them. How many tokens the loss has is not known then, so it is not captured.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch

from model.device_errors import is_out_of_memory
from trainer.training.flat_adapter import FlatAdapter, flattened
from trainer.training.likelihood import has_plain_scores, tokens_at_once
from trainer.training.packed_decoder import PackedDecoder, adapter_groups, has_packed_form
from trainer.training.packed_linears import Dropout
from trainer.training.packed_operations import Operations, Where, operations_for
from trainer.training.packing import MOST_REST, size_among, size_of
from trainer.training.recipe import Recipe
from trainer.training.tokens import Example

__all__ = ["PackedPasses", "packed_passes", "packs_well"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Captured:
    """Both parts of a pass of one size. `normed` is where the first leaves the hidden states."""

    forward: Any
    backward: Any
    normed: torch.Tensor


class PackedPasses:
    """Computes losses and gradients of pairs in packed passes.

    Attributes:
        flat: the adapter as it is trained.
        decoder: whose `checkpointing` may be switched on.
    """

    def __init__(
        self,
        model: Any,
        adapter: str,
        flat: FlatAdapter,
        operations: Operations,
        *,
        longest: int,
        rows: int,
        dropout: float,
    ) -> None:
        self._longest = size_of(max(longest, MOST_REST))
        self.decoder = PackedDecoder(model, adapter, flat, operations, self._longest)
        self.flat, self._operations, self._rows, self._share = flat, operations, rows, dropout
        self._head: torch.Tensor = model.get_output_embeddings().weight
        self._device = self._head.device
        self._seed = torch.zeros(1, dtype=torch.long, device=self._device)
        self._captured: dict[int, _Captured] = {}
        self._pool: Any = None
        self._ids = torch.empty(0, device=self._device, dtype=torch.long)

    def begin(self) -> None:
        """Begin a step: no gradients yet, and the adapter as the last step left it."""
        self.flat.gradient.zero_()
        self.flat.refresh()
        self.flat.offer()

    @torch.no_grad()
    def backward(self, examples: Sequence[Example], weight: float) -> torch.Tensor:
        """Add the gradients of the summed loss of all labelled tokens times `weight`; returns that loss times it."""
        self._seed.random_()
        size = size_among(sum(len(example.ids) for example in examples), self._captured)
        ids, where = self._placed(examples, size)
        captured = self._captured.get(size)
        if captured is not None:
            return self._replayed(captured, ids, where, examples, weight)
        made, grad = self.decoder.forward(ids, where, self._dropout, keep=True), self._zeros(size)
        losses = self._losses(made.normed, examples, weight, grad)
        self.decoder.backward(made, grad, where, self._dropout)
        return losses.sum() * weight

    def _replayed(
        self, captured: _Captured, ids: torch.Tensor, where: Where, examples: Sequence[Example], weight: float
    ) -> torch.Tensor:
        """`backward` of a captured pass."""
        to_ids, to = self._inputs(len(ids))
        to_ids.copy_(ids)
        to.positions.copy_(where.positions)
        to.ends.copy_(where.ends)
        captured.forward.replay()
        losses = self._losses(captured.normed, examples, weight, self._grad[: len(ids)].zero_())
        captured.backward.replay()
        return losses.sum() * weight

    @torch.no_grad()
    def losses(self, examples: Sequence[Example]) -> torch.Tensor:
        """The loss of each labelled token in nats, without dropout and without gradients."""
        self.flat.refresh()
        ids, where = self._placed(examples, size_of(sum(len(example.ids) for example in examples)))
        none = Dropout(0.0, self._seed)
        return self._losses(self.decoder.forward(ids, where, none, keep=False).normed, examples, 1.0, None)

    @torch.no_grad()
    def capture(self, sizes: Sequence[int]) -> None:
        """Capture passes of these sizes, the largest first. One that cannot be stays as it is."""
        for size in sizes:
            try:
                self._capture(size)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                log.warning("A pass of %s tokens cannot be captured (%s)", size, error)
                return

    def forget(self) -> None:
        """Let go of what was captured, and of its memory."""
        self._captured.clear()
        self._pool = None

    @property
    def _dropout(self) -> Dropout:
        return Dropout(self._share, self._seed)

    def _capture(self, size: int) -> None:
        ids, where = self._inputs(size)
        ids.fill_(0)
        where.positions.zero_()
        where.ends.fill_(size)[0] = 0
        grad = self._grad[:size].zero_()
        if not self._captured:  # what is compiled or allocated once must be by now
            self.decoder.backward(
                self.decoder.forward(ids, where, self._dropout, keep=True), grad, where, self._dropout
            )
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
        forward, backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(forward, pool=self._pool):
            made = self.decoder.forward(ids, where, self._dropout, keep=True)
        normed = made.normed
        self._pool = forward.pool()
        with torch.cuda.graph(backward, pool=self._pool):
            self.decoder.backward(made, grad, where, self._dropout)
        self._captured[size] = _Captured(forward, backward, normed)

    def _inputs(self, size: int) -> tuple[torch.Tensor, Where]:
        """Where captured passes of this size read. It moves only where a larger one than ever before comes."""
        if len(self._ids) < size:
            self.forget()
            self._ids = torch.zeros(size, dtype=torch.long, device=self._device)
            self._positions, self._grad = torch.zeros_like(self._ids), self._zeros(size)
            self._ends = torch.zeros(self._rows + 2, dtype=torch.int32, device=self._device)
        return self._ids[:size], Where(self._positions[:size], self._ends, min(size, self._longest))

    def _zeros(self, size: int) -> torch.Tensor:
        return torch.zeros(size, self._head.shape[1], dtype=self._head.dtype, device=self._device)

    def _placed(self, examples: Sequence[Example], size: int) -> tuple[torch.Tensor, Where]:
        """The tokens of examples, one behind the other. The rest of the pass is a sequence of its own."""
        lengths = [len(example.ids) for example in examples]
        rest = size - sum(lengths)
        tokens = [token for example in examples for token in example.ids]
        positions = [place for length in (*lengths, rest) for place in range(length)]
        ends = [0, *accumulate(lengths)]
        ends += [size] * (max(self._rows, len(examples)) + 2 - len(ends))
        ids, places = self._sent(tokens + [0] * rest), self._sent(positions)
        return ids, Where(places, self._sent(ends, torch.int32), min(size, self._longest))

    def _sent(self, values: list[int], dtype: torch.dtype = torch.long) -> torch.Tensor:
        """Values on the device, without waiting for it."""
        tensor = torch.tensor(values, dtype=dtype)
        if self._device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def _losses(
        self, normed: torch.Tensor, examples: Sequence[Example], weight: float, grad: torch.Tensor | None
    ) -> torch.Tensor:
        """Cross entropy of each labelled token [n]; its gradient, times `weight`, goes to `grad` [T, hidden]."""
        rows = self._sent([place for place, _ in _labelled(examples)])
        targets = self._sent([token for _, token in _labelled(examples)])
        count = tokens_at_once(len(self._head))
        losses = []
        for chosen, wanted in zip(rows.split(count), targets.split(count), strict=True):
            scores = normed[chosen] @ self._head.T
            losses.append(self._operations.slope(scores, wanted))
            if grad is not None:
                grad[chosen] = (scores @ self._head).mul_(weight)
        return torch.cat(losses) if losses else torch.zeros(0, device=self._device)


def packs_well(model: Any, adapter: str, recipe: Recipe) -> bool:
    """Whether passes are packed: on a GPU, with layers of a known form, and without noise: its size follows padding."""
    on_gpu = next(model.parameters()).device.type == "cuda"
    return on_gpu and not recipe.neftune and has_packed_form(model, adapter) and has_plain_scores(model)


@contextmanager
def packed_passes(model: Any, adapter: str, recipe: Recipe, longest: int) -> Iterator[PackedPasses]:
    """Packed passes of a PEFT model for pairs of at most `longest` tokens; its adapter is one parameter meanwhile."""
    with flattened(adapter_groups(model, adapter), model.dtype) as flat:
        dim = int(model.get_base_model().model.layers[0].self_attn.head_dim)
        operations = operations_for(flat.whole.device, model.dtype, dim)
        rows, share = recipe.micro_batch, recipe.dropout
        passes = PackedPasses(model, adapter, flat, operations, longest=longest, rows=rows, dropout=share)
        try:
            yield passes
        finally:  # what draws answers next may have the memory, even if something still holds the passes
            passes.forget()
            if flat.whole.device.type == "cuda":
                torch.cuda.empty_cache()


def _labelled(examples: Sequence[Example]) -> Iterator[tuple[int, int]]:
    """Where each labelled token is predicted in the pass, and the token."""
    start = 0
    for example in examples:
        first = max(1, example.prompt_length)
        yield from ((start + place - 1, example.ids[place]) for place in range(first, len(example.ids)))
        start += len(example.ids)
