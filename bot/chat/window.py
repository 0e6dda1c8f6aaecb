"""Where the context of an answer begins: it moves in steps, so that the prompts of one channel begin alike.

A context that loses its oldest message with every new one begins differently each time, and the engine computes all of
it again. So a full one loses its older half and grows again from there. Plain functions over plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from model.chat import Message

__all__ = ["TokenBudget", "WindowStarts", "in_steps"]

_REMEMBERED = 4096  # messages that a context began with


class _Identified(Protocol):
    @property
    def id(self) -> int: ...


One = TypeVar("One", bound=_Identified)


class WindowStarts:
    """Ids of the messages that contexts were made to begin with; the newest of them."""

    def __init__(self) -> None:
        self._ids: dict[int, None] = {}

    def __contains__(self, message_id: int) -> bool:
        return message_id in self._ids

    def add(self, message_id: int) -> None:
        """From now on, contexts that reach back to this message begin with it."""
        self._ids[message_id] = None
        if len(self._ids) > _REMEMBERED:
            del self._ids[next(iter(self._ids))]


@dataclass(frozen=True)
class TokenBudget:
    """Room for a context: `count` gives the tokens of messages as the model is shown them, `most` is their limit."""

    count: Callable[[Sequence[Message]], int]
    most: int

    def fits(self, shown: Sequence[Message]) -> bool:
        """Whether these messages leave enough tokens for an answer."""
        return self.count(shown) <= self.most

    def half_fits(self, shown: Sequence[Message]) -> bool:
        """Whether what stands before the last message takes at most half of the room that it has."""
        last = self.count(shown[-1:])
        return self.count(shown) <= last + (self.most - last) // 2


def in_steps(newest_first: list[One], most: int, starts: WindowStarts, *, full: bool) -> list[One]:
    """The newest of these messages: at least half of `most`, from where the last context began if that is enough.

    Args:
        newest_first: the newest messages.
        most: no more of them were read.
        starts: where contexts began; gets one more if this one begins anew.
        full: whether there are older messages.
    """
    least = (most + 1) // 2
    known = [count for count in range(least, len(newest_first) + 1) if newest_first[count - 1].id in starts]
    if known or not full:
        return newest_first[: max(known, default=len(newest_first))]
    starts.add(newest_first[least - 1].id)
    return newest_first[:least]
