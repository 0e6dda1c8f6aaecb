"""A matrix of unit vectors in float16, searched as a whole: exact, and quick up to hundreds of thousands of rows.

Knows nothing of what the vectors stand for but a number for each. Not for use by two threads at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["VectorIndex", "packed"]

_LEAST_ROWS = 64


def packed(vectors: NDArray[np.float32]) -> list[bytes]:
    """Vectors [n, dimensions] as they are stored: float16, little endian."""
    return [row.tobytes() for row in vectors.astype("<f2")]


class VectorIndex:
    """Vectors by number; `search` gives those that a vector is most similar to."""

    def __init__(self, dimensions: int) -> None:
        import torch

        self._matrix: Any = torch.zeros((_LEAST_ROWS, dimensions), dtype=torch.float16)
        self._ids = np.zeros(_LEAST_ROWS, dtype=np.int64)
        self._row: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._row)

    @property
    def ids(self) -> set[int]:
        """The numbers that have a vector."""
        return set(self._row)

    def add(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Take in packed vectors under their numbers. Raises ValueError for another number of dimensions."""
        import torch

        new = [(number, np.frombuffer(data, dtype="<f2")) for number, data in rows if number not in self._row]
        if not new:
            return
        if any(len(vector) != self._matrix.shape[1] for _, vector in new):
            raise ValueError(f"a vector has {self._matrix.shape[1]} dimensions here")
        first = len(self._row)
        self._grow(first + len(new))
        self._matrix[first : first + len(new)] = torch.from_numpy(np.stack([vector for _, vector in new]))
        for place, (number, _) in enumerate(new, start=first):
            self._ids[place], self._row[number] = number, place

    def remove(self, numbers: Iterable[int]) -> None:
        """Take vectors out, to the last byte: the last row takes each one's place, and its own is overwritten."""
        for number in numbers:
            place = self._row.pop(number, None)
            if place is None:
                continue
            last = len(self._row)
            if place != last:
                self._matrix[place] = self._matrix[last]
                self._ids[place] = self._ids[last]
                self._row[int(self._ids[place])] = place
            self._matrix[last] = 0

    def search(self, query: NDArray[np.float32], limit: int) -> list[tuple[int, float]]:
        """Up to `limit` numbers with their cosines to the unit vector `query` [dimensions], the nearest first."""
        if not self._row or limit < 1:
            return []
        cosines = self.cosines(query)
        count = min(limit, len(cosines))
        nearest = np.argpartition(-cosines, count - 1)[:count]
        ordered = nearest[np.argsort(-cosines[nearest], kind="stable")]
        return [(int(self._ids[place]), float(cosines[place])) for place in ordered]

    def cosines(self, query: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosine of each row, in the order of the rows [n]."""
        import torch

        with torch.inference_mode():
            rows = self._matrix[: len(self._row)]
            found = torch.mv(rows, torch.from_numpy(query.astype(np.float16)))
            return np.asarray(found.float().numpy(), dtype=np.float32)

    def cosine(self, query: NDArray[np.float32], numbers: Sequence[int]) -> dict[int, float]:
        """The cosines of these numbers alone, where they have a vector."""
        import torch

        known = [number for number in numbers if number in self._row]
        if not known:
            return {}
        rows = self._matrix[[self._row[number] for number in known]].float()
        found = torch.mv(rows, torch.from_numpy(np.asarray(query, dtype=np.float32)))
        return dict(zip(known, map(float, found), strict=True))

    def _grow(self, rows: int) -> None:
        import torch

        held = self._matrix.shape[0]
        if rows <= held:
            return
        size = max(rows, held * 3 // 2)
        matrix = torch.zeros((size, self._matrix.shape[1]), dtype=torch.float16)
        matrix[:held] = self._matrix
        self._matrix = matrix
        self._ids = np.concatenate([self._ids, np.zeros(size - held, dtype=np.int64)])
