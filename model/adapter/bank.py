"""Which adapter is in which slot of the bank, and which one answers next. Host state only: no tensors, no thread.

A slot holds an adapter for as long as it is wanted: it is the one in use, it was loaded by name, or a reply that it
began is still being made. So a swap takes a free slot beside the replies, and the slot of the adapter before it is free
again when its last reply ends. The bare base needs no slot. Lock around it where several threads share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from model.errors import AdapterNotLoaded, BankFull
from model.protocol import IN_USE, AdapterRef, InUse

__all__ = ["BARE", "AdapterBank", "Turn", "slot_rank"]

BARE = -1
"""In place of a slot: the base without an adapter."""


def slot_rank(rank: int) -> int:
    """The rank of the slots that hold adapters of this one: a power of two, as the kernels on a GPU compile for."""
    return 1 << (rank - 1).bit_length()


class Turn(Enum):
    """When an adapter can be written."""

    NOW = "now"
    LATER = "when a reply of an adapter that is no longer wanted ends; others begin meanwhile"
    AFTER_REPLIES = "when no reply is being made; new ones wait"


@dataclass
class _Held:
    """An adapter in a slot: whether it was loaded by name, and the replies it is making."""

    ref: AdapterRef
    kept: bool = False
    rows: int = 0


class AdapterBank:
    """The adapters of `slots` slots, numbered from 0."""

    def __init__(self, slots: int) -> None:
        self._held: list[_Held | None] = [None] * slots
        self._used = BARE

    @property
    def in_use(self) -> AdapterRef | None:
        """The adapter that new replies get; None is the bare base."""
        held = self._at(self._used)
        return held.ref if held else None

    @property
    def kept(self) -> list[AdapterRef]:
        """The adapters that were loaded by name."""
        return [held.ref for held in self._held if held is not None and held.kept]

    @property
    def held(self) -> dict[int, AdapterRef]:
        """Slot -> the adapter in it."""
        return {slot: held.ref for slot, held in enumerate(self._held) if held is not None}

    def replies(self) -> dict[str, int]:
        """Id of each adapter in memory -> replies that it is making."""
        return {held.ref.id: held.rows for held in self._held if held is not None}

    def find(self, ref: AdapterRef) -> int | None:
        """The slot that holds an adapter, still wanted or not."""
        return next((slot for slot, held in enumerate(self._held) if held is not None and held.ref == ref), None)

    def slot_of(self, adapter: str | InUse | None) -> int:
        """The slot that a new reply reads. Raises AdapterNotLoaded."""
        if adapter is IN_USE:
            return self._used
        if adapter is None:
            return BARE
        for slot, held in enumerate(self._held):
            if held is not None and held.ref.id == adapter and self._wanted(slot, held):
                return slot
        raise AdapterNotLoaded(str(adapter))

    # Replies

    def begin(self, adapter: str | InUse | None) -> int:
        """A reply begins: its slot, which stays its own until `end`. Raises AdapterNotLoaded."""
        slot = self.slot_of(adapter)
        if (held := self._at(slot)) is not None:
            held.rows += 1
        return slot

    def end(self, slot: int) -> None:
        """A reply of this slot has ended."""
        if (held := self._at(slot)) is not None:
            held.rows -= 1
            self._tidy()

    def name(self, slot: int) -> str | None:
        """Id of the adapter in a slot; None is the bare base."""
        held = self._at(slot)
        return held.ref.id if held else None

    # Changes

    def turn(self, ref: AdapterRef | None, *, replacing: bool) -> Turn:
        """When `ref` can be put; `replacing`: in place of the adapter in use, if there is no other slot.

        A bank that is full for good says now, and `place` says that it is.
        """
        if ref is None or self.find(ref) is not None or self._place(replacing=replacing) is not None:
            return Turn.NOW
        if any(not self._wanted(slot, held) for slot, held in enumerate(self._held) if held is not None):
            return Turn.LATER
        return Turn.AFTER_REPLIES if replacing and self._replaceable() else Turn.NOW

    def place(self, *, replacing: bool) -> int:
        """The slot to write the next adapter to. Raises BankFull."""
        slot = self._place(replacing=replacing)
        if slot is None:
            raise BankFull(len(self._held))
        return slot

    def put(self, slot: int, ref: AdapterRef) -> None:
        """A slot from `place` now holds `ref`; `use` or `keep` it, or it goes with the next change."""
        if slot == self._used:
            self._used = BARE
        self._held[slot] = _Held(ref)

    def use(self, ref: AdapterRef | None) -> None:
        """New replies get `ref`, which was put, from now on."""
        self._used = BARE if ref is None else self._slot(ref)
        self._tidy()

    def keep(self, ref: AdapterRef) -> None:
        """Hold `ref`, which was put, until `let_go`, in use or not."""
        held = self._at(self._slot(ref))
        if held is not None:
            held.kept = True
        self._tidy()

    def let_go(self, adapter: str) -> None:
        """Let an adapter go that was loaded by name, when its last reply ends. Raises AdapterNotLoaded."""
        held = next((one for one in self._held if one is not None and one.kept and one.ref.id == adapter), None)
        if held is None:
            raise AdapterNotLoaded(adapter)
        held.kept = False
        self._tidy()

    def _slot(self, ref: AdapterRef) -> int:
        slot = self.find(ref)
        if slot is None:
            raise AdapterNotLoaded(ref.id)
        return slot

    def _at(self, slot: int) -> _Held | None:
        return None if slot == BARE else self._held[slot]

    def _wanted(self, slot: int, held: _Held) -> bool:
        return held.kept or slot == self._used

    def _place(self, *, replacing: bool) -> int | None:
        free = next((slot for slot, held in enumerate(self._held) if held is None), None)
        used = self._at(self._used)
        if free is None and replacing and self._replaceable() and used is not None and not used.rows:
            return self._used
        return free

    def _replaceable(self) -> bool:
        """Whether the adapter in use goes with a swap."""
        used = self._at(self._used)
        return used is not None and not used.kept

    def _tidy(self) -> None:
        """Free the slots of adapters that nobody wants and that make no reply."""
        for slot, held in enumerate(self._held):
            if held is not None and not held.rows and not self._wanted(slot, held):
                self._held[slot] = None
