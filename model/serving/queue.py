"""The bounded waiting line: first come, first served within a channel, and no channel ahead of a less busy one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from model.errors import QueueFull

__all__ = ["FairQueue"]

T = TypeVar("T")

_REMEMBERED = 256  # channels whose last turn is remembered


@dataclass
class FairQueue(Generic[T]):
    """Waiting items in order of arrival, each belonging to a channel.

    The next item is the oldest of the channel with the fewest conversations being answered right now, among equals of
    the one served longest ago: a channel that asks fifty things at once takes turns with one that asks a single thing.
    """

    limit: int
    _waiting: list[tuple[str, T]] = field(default_factory=list)
    _served: dict[str, int] = field(default_factory=dict)  # channel -> turn it was last served, oldest first
    _turn: int = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, channel: str, item: T) -> None:
        """Add an item; raises QueueFull beyond the limit."""
        if len(self._waiting) >= self.limit:
            raise QueueFull(self.limit)
        self._waiting.append((channel, item))

    def pop(self, busy: Iterable[str]) -> T | None:
        """Take the next item; `busy` names the channel of each conversation being answered."""
        order = self._order(busy)
        if not order:
            return None
        channel, item = self._waiting.pop(order[0])
        self._served.pop(channel, None)
        self._served[channel] = self._turn = self._turn + 1
        if len(self._served) > _REMEMBERED:
            del self._served[next(iter(self._served))]
        return item

    def remove(self, item: T) -> bool:
        """Take an item out of the line; False when it is not in it."""
        for index, (_, waiting) in enumerate(self._waiting):
            if waiting is item:
                del self._waiting[index]
                return True
        return False

    def position(self, item: T, busy: Iterable[str] = ()) -> int:
        """How many turns until the item's, from 1; 0 when it is not waiting."""
        for turn, index in enumerate(self._order(busy), 1):
            if self._waiting[index][1] is item:
                return turn
        return 0

    def drain(self) -> list[T]:
        """Take everything out."""
        items = [item for _, item in self._waiting]
        self._waiting.clear()
        return items

    def _order(self, busy: Iterable[str]) -> list[int]:
        load, order = Counter(busy), list[tuple[int, int, int]]()
        for index, (channel, _) in enumerate(self._waiting):
            order.append((load[channel], self._served.get(channel, 0), index))
            load[channel] += 1
        return [index for *_, index in sorted(order)]
