"""The rows of the cache as conversations come and go: what is kept, what is gone on with, what is overwritten.

Moves keys and values as the prefix cache decides. Knows no model and no requests.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from model.cache.kv_cache import SlotCache
from model.cache.prefix_cache import PrefixCache

__all__ = ["RowReuse"]


class RowReuse:
    """The rows of `cache` and what they hold.

    Attributes:
        longest: tokens in each row, the padding of a launched step included; the host's copy of the cache's positions.
    """

    def __init__(self, cache: SlotCache) -> None:
        self._cache, self._prefixes = cache, PrefixCache(cache.rows)
        self.longest = [0] * cache.rows

    def begin(self, row: int, prompt: Sequence[int], adapter: Hashable) -> int:
        """Bring what is held of a prompt's beginning into `row`; the number of tokens.

        Rows before `row` are in use, the others are not.
        """
        target, source, shared = self._prefixes.place(prompt, adapter, range(row, self._cache.rows))
        if target != row:  # what lies in this place is kept in the one that is given up
            self.exchange(row, target)
            source = {row: target, target: row}.get(source, source)
        if shared and source != row:
            self._cache.copy_row(source, row, shared)
        self._prefixes.keep(row, prompt, shared, adapter)
        self._cache.positions[row] = self.longest[row] = shared
        return shared

    def read(self, row: int, tokens: Sequence[int]) -> None:
        """Prompt tokens were computed at the end of a row."""
        self.longest[row] += len(tokens)
        self._cache.positions[row] = self.longest[row]
        self._prefixes.extend(row, tokens)

    def step(self, fed: Sequence[int]) -> None:
        """A step computes with one token for each of the first rows."""
        for row, token in enumerate(fed):
            self.longest[row] += 1
            self._prefixes.extend(row, (token,))

    def tokens(self, row: int) -> list[int]:
        """As `PrefixCache.tokens`."""
        return self._prefixes.tokens(row)

    def exchange(self, first: int, second: int) -> None:
        """Let two rows change places."""
        longest = self.longest
        self._cache.exchange(first, second, max(longest[first], longest[second]))
        self._prefixes.exchange(first, second)
        longest[first], longest[second] = longest[second], longest[first]

    def clear(self, row: int) -> None:
        """Let a row hold nothing: the caller keeps what it has read elsewhere."""
        self._prefixes.discard(row)
        self._cache.positions[row] = self.longest[row] = 0

    def discard(self, row: int) -> None:
        """Never use what a row holds again: its conversation failed."""
        self._prefixes.discard(row)

    def forget(self, *adapters: Hashable) -> None:
        """Never use again what was computed under these adapters; without any named, nothing at all."""
        self._prefixes.forget(*adapters)
