"""Which tokens' keys and values lie in which row: what was computed once for a prompt serves the next one.

Rows keep their contents after a conversation ends, until the place is needed. A new prompt goes on where the longest
beginning that it shares with any row ends (the persona, a channel's messages so far), and only the rest is computed.
This costs no memory of its own. Other weights give other keys, so a beginning is shared only under the same adapter.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Place", "PrefixCache"]

_LEAST = 16  # shared tokens below which computing is as quick as copying


class Place(NamedTuple):
    """Where a new prompt goes.

    Attributes:
        target: the row that it takes.
        source: the row that holds its beginning; may be the target itself.
        shared: tokens of that beginning; 0 if none is worth copying.
    """

    target: int
    source: int
    shared: int


@dataclass
class _Held:
    """What one row holds, from position 0, and when it was last written (0: never)."""

    tokens: list[int] = field(default_factory=list)
    adapter: Hashable = None
    used: int = 0


class PrefixCache:
    """The tokens whose keys and values each row holds, and under which adapter they were computed."""

    def __init__(self, rows: int) -> None:
        self._rows = [_Held() for _ in range(rows)]
        self._clock = 0

    def place(self, prompt: Sequence[int], adapter: Hashable, free: Sequence[int]) -> Place:
        """Where `prompt` goes, among the rows `free` (at least one); rows in use lend their beginning too.

        A free row most of which is shared is gone on with: it is the same conversation a few messages ago. Else the
        free row that was not used for longest is overwritten. At least the prompt's last token is left to compute: its
        scores are wanted.
        """
        wanted = list(prompt[:-1])
        shared = [_shared(held.tokens, wanted) if held.adapter == adapter else 0 for held in self._rows]
        source = max(range(len(shared)), key=lambda row: (shared[row], row in free, self._rows[row].used))
        count = shared[source] if shared[source] >= _LEAST else 0
        if count and source in free and 2 * count >= len(self._rows[source].tokens):
            return Place(source, source, count)
        others = [row for row in free if row != source or not count] or free
        return Place(min(others, key=lambda row: self._rows[row].used), source, count)

    def keep(self, row: int, prompt: Sequence[int], count: int, adapter: Hashable = None) -> None:
        """Row `row` now holds the first `count` tokens of `prompt`, computed under `adapter`, and nothing else."""
        self._rows[row] = _Held(list(prompt[:count]), adapter, self._tick())

    def extend(self, row: int, tokens: Sequence[int]) -> None:
        """More tokens were computed at the end of a row."""
        self._rows[row].tokens.extend(tokens)
        self._rows[row].used = self._tick()

    def tokens(self, row: int) -> list[int]:
        """What a row holds: one list for the whole of a conversation, to read only."""
        return self._rows[row].tokens

    def exchange(self, first: int, second: int) -> None:
        """Two rows changed places."""
        self._rows[first], self._rows[second] = self._rows[second], self._rows[first]

    def discard(self, row: int) -> None:
        """What a row holds may not be used again."""
        self._rows[row] = _Held()

    def forget(self, *adapters: Hashable) -> None:
        """Nothing that was computed under these adapters may be used again; without any named, nothing at all."""
        for row, held in enumerate(self._rows):
            if not adapters or held.adapter in adapters:
                self.discard(row)

    def _tick(self) -> int:
        self._clock += 1
        return self._clock


def _shared(held: list[int], wanted: list[int]) -> int:
    """How many tokens two lists begin with alike. By halving: comparing slices is far quicker than token by token."""
    same, most = 0, min(len(held), len(wanted))
    while same < most:
        middle = (same + most + 1) // 2
        if held[same:middle] == wanted[same:middle]:
            same = middle
        else:
            most = middle - 1
    return same
