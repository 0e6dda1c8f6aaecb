"""Which tokens' keys and values lie in which row: what was computed once for a prompt serves the next one.

Rows keep their contents after a conversation ends, until the next one writes over them. A new prompt copies the longest
beginning it shares with any row (the persona, a channel's turns so far) and computes only the rest. This costs no
memory of its own. Everything is forgotten at a swap: other weights give other keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

__all__ = ["PrefixCache"]

_LEAST = 16  # shared tokens below which computing is as quick as copying


class PrefixCache:
    """The tokens whose keys and values each row holds, from position 0."""

    def __init__(self, rows: int) -> None:
        self._tokens: list[list[int]] = [[] for _ in range(rows)]

    def longest(self, prompt: Sequence[int]) -> tuple[int, int]:
        """The row that shares the longest beginning with `prompt`, and how many tokens; 0 if it is not worth copying.

        At least the prompt's last token is left to compute: its scores are wanted.
        """
        wanted = prompt[:-1]
        shared = [sum(1 for _ in takewhile(bool, map(int.__eq__, held, wanted))) for held in self._tokens]
        row = max(range(len(shared)), key=shared.__getitem__)
        return (row, shared[row]) if shared[row] >= _LEAST else (row, 0)

    def keep(self, row: int, prompt: Sequence[int], count: int) -> None:
        """Row `row` now holds the first `count` tokens of `prompt`, and nothing else."""
        self._tokens[row] = list(prompt[:count])

    def extend(self, row: int, tokens: Sequence[int]) -> None:
        """More tokens were computed at the end of a row."""
        self._tokens[row].extend(tokens)

    def move(self, source: int, target: int) -> None:
        """A row was copied over another; the source still holds its own."""
        self._tokens[target] = list(self._tokens[source])

    def forget(self) -> None:
        """Nothing that is held may be used again."""
        for tokens in self._tokens:
            tokens.clear()
