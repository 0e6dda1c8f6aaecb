"""One reply as a server's chunks add up to it: text without thoughts and stop strings, figures, and the end. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from model.protocol import Completion, FinishReason, Sampling
from model.reasoning import Tag, ThoughtFilter
from model.remote.dialect import Chunk
from model.stop_strings import StopFilter

__all__ = ["Reply"]

_LONGEST_TOKEN = 100  # characters; few tokens of a vocabulary have more than 20
_SPARE = 64  # pieces without a token, such as the figures at the end


class Reply:
    """`show` is told of each piece. `adapter` is the one that it is made with."""

    def __init__(
        self, prompt_tokens: int, sampling: Sampling, tags: Sequence[Tag], show: Callable[[str], None]
    ) -> None:
        self._thoughts, self._stop = ThoughtFilter(tags), StopFilter(sampling.stop)
        self._show = show
        self._prompt_tokens, self._cached = prompt_tokens, 0
        self._pieces_left = 2 * sampling.max_new_tokens + _SPARE
        self._characters_left = _LONGEST_TOKEN * sampling.max_new_tokens
        self._chunks, self._counted = 0, 0
        self._probabilities: list[float] = []
        self._submitted = time.perf_counter()
        self._first_s: float | None = None
        self._text = ""
        self.adapter: str | None = None
        self.finish: FinishReason | None = None

    @property
    def begun(self) -> bool:
        """Whether the server sent anything of it."""
        return self._first_s is not None

    @property
    def tokens(self) -> int:
        """Of the answer; where the server does not count them, what it sent at once is taken for one."""
        return self._counted or len(self._probabilities) or self._chunks

    def take(self, chunk: Chunk) -> bool:
        """Take what a server sent; true once a stop string ended the reply, or the server sends far more than asked."""
        self._prompt_tokens = chunk.prompt_tokens or self._prompt_tokens
        self._counted = chunk.completion_tokens or self._counted
        self._cached = chunk.cached_tokens or self._cached
        self._probabilities += chunk.probabilities
        if chunk.text:
            self._first_s = time.perf_counter() - self._submitted if self._first_s is None else self._first_s
            self._chunks += 1
            self._release(self._stop.push(self._thoughts.push(chunk.text)))
        if self._stop.stopped:
            self.finish = "stop"
            return True
        endless = self._is_endless(chunk)
        if endless or chunk.finish is not None:
            self._release(self._stop.push(self._thoughts.flush()) + self._stop.flush())
            self.finish = "length" if endless or chunk.finish == "length" else "stop"
        return endless

    def _is_endless(self, chunk: Chunk) -> bool:
        self._pieces_left -= 1
        self._characters_left -= len(chunk.text)
        return min(self._pieces_left, self._characters_left) < 0

    def completion(self) -> Completion:
        """The finished reply; one without an end was cancelled."""
        seconds = time.perf_counter() - self._submitted
        likely = self._probabilities
        return Completion(
            text=self._text.strip(),
            finish_reason=self.finish or "cancelled",
            adapter=self.adapter,
            prompt_tokens=self._prompt_tokens,
            completion_tokens=self.tokens,
            first_token_s=seconds if self._first_s is None else self._first_s,
            seconds=seconds,
            confidence=sum(likely) / len(likely) if likely else None,
            cached_tokens=self._cached,
        )

    def _release(self, piece: str) -> None:
        if piece:
            self._text += piece
            self._show(piece)
