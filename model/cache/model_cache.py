"""The past of each row in the cache that transformers makes for the model: for families that the slots do not hold.

State spaces, convolutions, attention with sinks or linear biases, layers of different kinds: whatever the model keeps,
it keeps here. Rows are computed one after another, so several conversations at once gain nothing, and a prompt is
computed whole, because a state that is not empty takes one token at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from model.base.output_layer import last_token_only

__all__ = ["ModelCaches"]

_NAMES = ("past_key_values", "cache_params", "state")  # as the families call what they keep


class ModelCaches:
    """One cache of the model's own for each row; a row without one has no past."""

    def __init__(self, model: Any, rows: int) -> None:
        self._model = model
        self._pasts: list[dict[str, Any]] = [{} for _ in range(rows)]

    def forget(self, row: int) -> None:
        """Clear a row."""
        self._pasts[row] = {}

    def move(self, source: int, target: int) -> None:
        """Let one row's past be another's."""
        self._pasts[target], self._pasts[source] = self._pasts[source], {}

    def forward(self, row: int, ids: torch.Tensor) -> torch.Tensor:
        """Logits [1, vocabulary] after the next tokens [count] of a row."""
        with last_token_only(self._model):
            out = self._model(input_ids=ids[None], use_cache=True, **self._pasts[row])
        self._pasts[row] = {name: kept for name in _NAMES if (kept := getattr(out, name, None)) is not None}
        logits: torch.Tensor = out.logits[:, -1]
        return logits

    def step(self, tokens: torch.Tensor, before: Callable[[int], None]) -> torch.Tensor:
        """Logits [n, vocabulary] after one token [n] for each of the first n rows; `before` is told each row."""
        logits = []
        for row in range(len(tokens)):
            before(row)
            logits.append(self.forward(row, tokens[row : row + 1]))
        return torch.cat(logits)
