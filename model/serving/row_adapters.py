"""Which adapter slot each row of the decoder reads: the host's list, and what a step is handed of it."""

from __future__ import annotations

import torch

from model.adapter.bank import BARE
from model.adapter.slots import AdapterSlots, RowSlots

__all__ = ["RowAdapters"]


class RowAdapters:
    """The slots of `rows` rows. On a GPU the steps read one buffer, whose address is captured.

    A row that is not live reads no adapter.
    """

    def __init__(self, slots: AdapterSlots, rows: int) -> None:
        on_gpu = slots.device.type == "cuda"
        self._slots, self._of = slots, [BARE] * rows
        self._index = torch.full((rows,), BARE, dtype=torch.int32, device=slots.device) if on_gpu else None
        self._step = slots.rows([BARE], self._index)
        self._changed = False

    def __getitem__(self, row: int) -> int:
        return self._of[row]

    def set(self, row: int, slot: int) -> None:
        """A conversation begins in a row."""
        self._of[row], self._changed = slot, True

    def move(self, source: int, target: int) -> None:
        """A conversation moves to another row."""
        self.set(target, self._of[source])

    def prepare(self, live: int) -> None:
        """The next steps are for the first `live` rows."""
        if self._changed or live != len(self._step.slots):
            self._step, self._changed = self._slots.rows(self._of[:live], self._index), False

    @property
    def step(self) -> RowSlots:
        """What a step reads."""
        return self._step
