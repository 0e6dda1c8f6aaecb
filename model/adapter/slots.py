"""The slots of the adapter bank: every linear layer of the decoder with room for several LoRA adapters.

y = W x + B (A x), with W in NF4 and LoRA's scaling folded into B (Hu et al., arXiv:2106.09685). The buffers are
allocated once for a rank and a number of slots and then only overwritten, so whatever captured their addresses (a CUDA
graph) stays valid. An adapter of a smaller rank fills the first rows of its slot; the rest is zero. Each row of a step
reads its own slot (as in S-LoRA, arXiv:2311.03285, and Punica, arXiv:2310.18547); the bare base reads none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from bitsandbytes.nn import Linear4bit
from torch import nn
from torch.nn import functional

from model.adapter.bank import BARE, slot_rank
from model.adapter.files import AdapterWeights
from model.adapter.target_modules import adaptable
from model.base.memory import check_room

__all__ = ["AdapterSlots", "RowSlots", "SlotLinear", "StagedAdapter", "slot_bytes"]


_UNIFORM = 128  # rows that modules compute together with their LoRA product, at most


@dataclass(frozen=True)
class RowSlots:
    """Which slot each row of a pass reads.

    Attributes:
        slots: on the host, one for each row; BARE reads none.
        index: the same on the device, int32; as long or longer.
        most: different slots among the rows, at most: of a step that is captured, any that replays it will have.
        ranks: [slots] int64 on the host, the rank of the adapter in each.
        shared: every row of the pass reads the first one's slot, also rows beyond `slots`.
    """

    slots: tuple[int, ...]
    index: torch.Tensor
    most: int
    ranks: torch.Tensor
    shared: bool = False

    def part(self, start: int, end: int) -> RowSlots:
        """Rows `start` to `end` - 1."""
        return replace(self, slots=self.slots[start:end], index=self.index[start:end])

    def repeated(self, count: int) -> RowSlots:
        """`count` rows that read what the first does."""
        return replace(self, slots=self.slots[:1] * count, index=self.index[:1].repeat(count), most=1)

    @cached_property
    def groups(self) -> tuple[tuple[int, torch.Tensor | None], ...]:
        """Each slot and the rows that read it, on the device; None is all of them."""
        if len(distinct := sorted(set(self.slots))) == 1:
            return ((distinct[0], None),)
        return tuple(
            (slot, torch.tensor([row for row, own in enumerate(self.slots) if own == slot], device=self.index.device))
            for slot in distinct
        )


SmallBatch = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, RowSlots], torch.Tensor]


class _Active:
    """What all layers of one bank read while transformers' modules compute: one slot for every row."""

    def __init__(self, rows: RowSlots) -> None:
        self.rows = rows

    @property
    def slot(self) -> int:
        return self.rows.slots[0]


class SlotLinear(nn.Module):
    """A linear layer of the base and its part of the slots.

    Shapes: x [..., in] -> [..., out]; `a` [slots, rank, in] and `b` [slots, out, rank] in the compute type.
    """

    a: torch.Tensor
    b: torch.Tensor

    def __init__(self, base: nn.Module, active: _Active) -> None:
        super().__init__()
        self._active = active
        self._small_batch: SmallBatch | None = None
        self._small_batch_rows = 0
        self.base = base
        self.in_features = int(base.in_features)  # type: ignore[arg-type]
        self.out_features = int(base.out_features)  # type: ignore[arg-type]
        self.adapted: set[int] = set()  # slots whose adapter has this layer; what is captured reads zeros instead

    @property
    def weight(self) -> Any:
        """The base layer's weight, for models that look at it."""
        return self.base.weight

    @property
    def bias(self) -> Any:
        """As `weight`."""
        return self.base.bias

    def use_small_batch(self, small_batch: SmallBatch, rows: int) -> None:
        """Compute up to `rows` rows together with their LoRA product by `small_batch(x, a, b, rows' slots)`."""
        self._small_batch, self._small_batch_rows = small_batch, rows

    def allocate(self, slots: int, rank: int, dtype: torch.dtype, device: torch.device) -> None:
        """Fresh zero buffers for adapters up to `rank`."""
        a = torch.zeros(slots, rank, self.in_features, dtype=dtype, device=device)
        b = torch.zeros(slots, self.out_features, rank, dtype=dtype, device=device)
        self.register_buffer("a", a, persistent=False)
        self.register_buffer("b", b, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._small_batch is not None and x.numel() <= self._small_batch_rows * self.in_features:
            return self._small_batch(x, self.a, self.b, self._active.rows)
        y: torch.Tensor = self.base(x)
        slot = self._active.slot
        return y + functional.linear(functional.linear(x, self.a[slot]), self.b[slot]) if slot in self.adapted else y


def slot_bytes(linears: Iterable[Any], slots: int, rank: int, dtype: torch.dtype) -> int:
    """Memory of `slots` slots for adapters of `rank`, in bytes."""
    numbers: int = sum(one.in_features + one.out_features for one in linears)
    return slots * rank * numbers * dtype.itemsize


@dataclass(frozen=True)
class StagedAdapter:
    """An adapter on the device, ready to be copied into a slot: A and B of each layer in turn, padded to `rank`."""

    rank: int
    own_rank: int
    tensors: list[torch.Tensor]
    adapted: frozenset[str]


class AdapterSlots:
    """All SlotLinears of one model, with `slots` places for adapters of up to `rank`.

    `stage` may run beside forward passes; the rest belongs to their thread.

    Attributes:
        prompt: on a GPU one slot more, to which `read_prompt` copies the adapter of the prompt that is read: passes of
            many tokens are captured, and their products cannot choose a slot.
    """

    def __init__(self, model: Any, slots: int, rank: int, dtype: torch.dtype, device: torch.device) -> None:
        self.rank, self.dtype, self.device = slot_rank(rank), dtype, device
        self.prompt = slots if device.type == "cuda" else None
        self._adapters, self._count = slots, slots + (self.prompt is not None)
        self._in_prompt: int | None = BARE
        self._ranks = torch.zeros(self._count, dtype=torch.int64)
        self._views: dict[int, list[torch.Tensor]] = {}
        self._uniform: dict[int, RowSlots] = {BARE: self.rows([BARE] * _UNIFORM)}
        self._active = _Active(self._uniform[BARE])
        self.linears: dict[str, SlotLinear] = {}
        found = adaptable(model)
        needed = slot_bytes(found.values(), self._count, self.rank, dtype)
        check_room(needed, device, f"Room for {slots} adapters of rank {self.rank}")
        for name, module in found.items():
            parent = model.get_submodule(name.rpartition(".")[0])
            self.linears[name] = SlotLinear(module, self._active)
            self.linears[name].allocate(self._count, self.rank, dtype, device)
            setattr(parent, name.rpartition(".")[2], self.linears[name])

    @property
    def is_nf4(self) -> bool:
        """Whether every layer is packed by bitsandbytes in 4 bits: what the fused kernels read."""
        return all(isinstance(linear.base, Linear4bit) for linear in self.linears.values())

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Module path -> (in_features, out_features) of everything an adapter may touch."""
        return {name: (linear.in_features, linear.out_features) for name, linear in self.linears.items()}

    def rows(self, slots: Sequence[int], index: torch.Tensor | None = None) -> RowSlots:
        """What rows that read these slots hand to a pass. `index` is written where its address has to stay."""
        made = torch.tensor(slots, dtype=torch.int32)
        if index is None:
            different = len(set(slots))
            return RowSlots(tuple(slots), made.to(self.device), different, self._ranks, shared=different == 1)
        index.fill_(BARE)
        index[: len(slots)].copy_(made, non_blocking=True)
        return RowSlots(tuple(slots), index, self._adapters, self._ranks)

    def activate(self, slot: int) -> None:
        """Let transformers' modules compute with one slot for every row."""
        if slot not in self._uniform:
            self._uniform[slot] = self.rows([slot] * _UNIFORM)
        self._active.rows = self._uniform[slot]

    def stage(self, weights: AdapterWeights) -> StagedAdapter:
        """Bring an adapter to the device, in the slots' shapes, without touching a slot.

        Safe beside running forward passes: one transfer, on a stream of its own.
        """
        rank = max(self.rank, slot_rank(weights.rank))
        parts: list[torch.Tensor] = []
        for name, linear in self.linears.items():
            a, b = torch.zeros(rank, linear.in_features), torch.zeros(linear.out_features, rank)
            if name in weights.matrices:
                a[: weights.rank], b[:, : weights.rank] = weights.matrices[name]
            parts += [a, b]
        flat = torch.cat([part.flatten() for part in parts]).to(self.dtype)
        if self.device.type == "cuda":
            stream = torch.cuda.Stream(self.device)
            with torch.cuda.stream(stream):
                flat = flat.to(self.device)
            stream.synchronize()
        sizes = [part.numel() for part in parts]
        tensors = [piece.view(part.shape) for piece, part in zip(flat.split(sizes), parts, strict=True)]
        return StagedAdapter(rank, weights.rank, tensors, frozenset(weights.matrices))

    def write(self, slot: int, staged: StagedAdapter) -> bool:
        """Copy a staged adapter into a slot that no row reads; True when the buffers had to grow (and moved).

        Raises DoesNotFit, and nothing has changed, when there is no room to grow.
        """
        grown = staged.rank > self.rank
        if grown:
            self._grow(staged.rank)
        if staged.rank == self.rank:
            torch._foreach_copy_(self._tensors(slot), staged.tensors)
        else:
            self._write_smaller(slot, staged)
        if self.device.type == "cuda":  # made on another stream: not to be used again before this copy is done
            staged.tensors[0].record_stream(torch.cuda.current_stream(self.device))
        for name, linear in self.linears.items():
            (linear.adapted.add if name in staged.adapted else linear.adapted.discard)(slot)
        self._ranks[slot] = staged.own_rank
        if slot == self._in_prompt:
            self._in_prompt = None
        return grown

    def read_prompt(self, slot: int) -> None:
        """Let the prompt's slot hold what `slot` holds; BARE is nothing."""
        if self.prompt is None or slot == self._in_prompt:
            return
        if slot == BARE:
            torch._foreach_zero_(self._tensors(self.prompt))
        else:
            torch._foreach_copy_(self._tensors(self.prompt), self._tensors(slot))
        self._in_prompt = slot

    def moved(self) -> None:
        """The layers' buffers are others than before."""
        self._views.clear()

    def _tensors(self, slot: int) -> list[torch.Tensor]:
        """A and B of each layer in turn, of one slot."""
        if slot not in self._views:
            self._views[slot] = [part[slot] for linear in self.linears.values() for part in (linear.a, linear.b)]
        return self._views[slot]

    def _grow(self, rank: int) -> None:
        """Allocate anew for a larger rank, with what the slots hold. Old and new ones are there at the same time."""
        needed = slot_bytes(self.linears.values(), self._count, rank, self.dtype)
        check_room(needed, self.device, f"Room for {self._adapters} adapters of rank {rank}")
        for linear in self.linears.values():
            a, b = linear.a, linear.b
            linear.allocate(self._count, rank, self.dtype, self.device)
            linear.a[:, : self.rank].copy_(a)
            linear.b[:, :, : self.rank].copy_(b)
        self.rank = rank
        self.moved()

    def _write_smaller(self, slot: int, staged: StagedAdapter) -> None:
        """The slots grew between staging and writing."""
        targets = self._tensors(slot)
        torch._foreach_zero_(targets)
        for a, b, own_a, own_b in zip(
            targets[::2], targets[1::2], staged.tensors[::2], staged.tensors[1::2], strict=True
        ):
            a[: staged.rank].copy_(own_a)
            b[:, : staged.rank].copy_(own_b)
