"""From token ids to streamed text: no half characters, no thoughts, no part of a stop string ever shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from model.reasoning import ThoughtFilter, tags_of
from model.stop_strings import StopFilter

__all__ = ["TextStream", "decode_answer"]

_REPLACEMENT = "\ufffd"
_WINDOW = 6  # tokens decoded again for context: joins of byte-level tokens reach no further
_CHARACTER = 4  # bytes, so tokens at most, of one character: what is still broken then stays broken


class TextStream:
    """Decodes one reply token by token.

    `text` is everything that may be shown; `stopped` becomes true when a stop string was completed.
    """

    def __init__(self, tokenizer: Any, stop: tuple[str, ...] = ()) -> None:
        self._tokenizer, self._stop = tokenizer, StopFilter(stop)
        tags = tags_of(tokenizer)
        self._thoughts = ThoughtFilter(tags)
        # Tags that are tokens: where they are special ones, decoding drops them and leaves the thought.
        self._tags = {id_: mark for tag in tags for mark in tag if (id_ := _token_of(tokenizer, mark)) is not None}
        self._ids: list[int] = []
        self._decoded = 0  # ids whose text is final
        self.text = ""

    @property
    def stopped(self) -> bool:
        """Whether a stop string was completed."""
        return self._stop.stopped

    def push(self, token: int) -> str:
        """Take one token; returns the text that became showable."""
        if token in self._tags:
            piece = self._decode(final=True)
            self._ids, self._decoded = [], 0
            return self._release(self._thoughts.push(piece + self._tags[token]))
        self._ids.append(token)
        return self._release(self._thoughts.push(self._decode()))

    def flush(self) -> str:
        """The end: whatever was held back is text after all."""
        if self.stopped:
            return ""
        piece = self._release(self._thoughts.push(self._decode(final=True)) + self._thoughts.flush())
        return piece + self._show(self._stop.flush())

    def _decode(self, *, final: bool = False) -> str:
        start = max(0, self._decoded - _WINDOW)
        before = self._tokenizer.decode(self._ids[start : self._decoded], skip_special_tokens=True)
        now = self._tokenizer.decode(self._ids[start:], skip_special_tokens=True)
        pending = len(self._ids) - self._decoded
        if now.endswith(_REPLACEMENT) and pending < _CHARACTER and not final:
            return ""  # a character whose bytes are not all here
        self._decoded = len(self._ids)
        return str(now[len(before) :])

    def _release(self, piece: str) -> str:
        return self._show(self._stop.push(piece))

    def _show(self, piece: str) -> str:
        self.text += piece
        return piece


def decode_answer(tokenizer: Any, ids: Iterable[int]) -> str:
    """The whole text of an answer as members would see it."""
    stream = TextStream(tokenizer)
    for token in ids:
        stream.push(token)
    stream.flush()
    return stream.text.strip()


def _token_of(tokenizer: Any, mark: str) -> int | None:
    """The id of a string that is one token, None where it is none."""
    id_ = tokenizer.convert_tokens_to_ids(mark)
    return int(id_) if id_ is not None and id_ != tokenizer.unk_token_id else None
