"""One request being answered: how much of its prompt is computed, and its answer so far. No tensors, no thread."""

from __future__ import annotations

import time
from collections.abc import Container
from dataclasses import dataclass

from model.adapter.bank import BARE
from model.protocol import Completion, FinishReason
from model.serving.detokenize import TextStream
from model.serving.generation import Generation

__all__ = ["Row"]


@dataclass(eq=False)
class Row:
    """A request in a row of the decoder.

    Attributes:
        adapter: id of the adapter that answers it, and `slot` where it is.
        limit: most tokens of the answer.
        submitted: when it was queued, by `time.perf_counter`.
        prefilled: prompt tokens computed so far; `cached` of them were when it began.
        produced: tokens generated so far; `last` is the newest, `probability_sum` the sum of their probabilities.
    """

    generation: Generation
    stream: TextStream
    adapter: str | None
    limit: int
    submitted: float
    slot: int = BARE
    prefilled: int = 0
    cached: int = 0
    produced: int = 0
    last: int = 0
    probability_sum: float = 0.0
    first_token_s: float = 0.0
    ended: bool = False

    @property
    def prefilling(self) -> bool:
        """Whether part of the prompt is still to be computed."""
        return self.prefilled < len(self.generation.prompt)

    def accept(self, token: int, probability: float, stops: Container[int]) -> tuple[str, FinishReason | None]:
        """Take the next token. Returns the text that may be shown now, and why the answer ends with it, if it does."""
        self.produced += 1
        self.probability_sum += probability
        if token in stops:
            return "", "stop"
        piece = self.stream.push(token)
        if self.stream.stopped:
            return piece, "stop"
        return piece, "length" if self.produced >= self.limit else None

    def completion(self, reason: FinishReason) -> Completion:
        """The finished reply."""
        return Completion(
            text=self.stream.text.strip(),
            finish_reason=reason,
            adapter=self.adapter,
            prompt_tokens=len(self.generation.prompt),
            cached_tokens=self.cached,
            completion_tokens=self.produced,
            first_token_s=self.first_token_s,
            seconds=time.perf_counter() - self.submitted,
            confidence=self.probability_sum / self.produced if self.produced else None,
        )
