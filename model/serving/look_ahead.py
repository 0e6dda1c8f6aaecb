"""Decode steps of one conversation that compute a few tokens ahead, guessed from what was said before.

Prompt lookup (Saxena 2023, github.com/apoorvumang/prompt-lookup-decoding): what followed the last two or three tokens
where they stood before, in the prompt or in the answer so far, may follow again. One pass computes the scores behind
the token that is due and behind each guess. The next steps take theirs from there for as long as the tokens drawn are
those that were guessed, so every token is drawn from its own scores, in the way it is drawn without. Guesses are left
out for a while when their passes cost more than they save.
"""

from __future__ import annotations

import time
from typing import Self

import torch

from model.adapter.slots import RowSlots
from model.fused.decode_step import FusedStep

__all__ = ["Guesses", "LookAhead", "Pays"]

_LENGTHS = (3, 2)  # tokens whose like is looked for


class Guesses:
    """Where each two and three tokens of one conversation stood last."""

    def __init__(self) -> None:
        self._text: list[int] = []
        self._read = 0
        self._after: dict[tuple[int, ...], int] = {}

    def next(self, text: list[int], token: int, most: int) -> list[int]:
        """What may follow `text`, which grows between calls or is another, and then `token`: at most `most` tokens."""
        if text is not self._text or self._read > len(text):
            self._text, self._read, self._after = text, 0, {}
        while self._read < len(text):
            self._read += 1
            for length in _LENGTHS:
                if self._read >= length:
                    self._after[tuple(text[self._read - length : self._read])] = self._read
        for length in _LENGTHS:
            found = self._after.get((*text[len(text) - length + 1 :], token)) if len(text) >= length else None
            if found is not None:
                return [*text[found : found + most], token][:most]
        return []


class Pays:
    """Whether guessing saves time, by what passes took and how many guesses came true."""

    _SHARE, _PAUSE, _LONGEST, _GAIN = 0.2, 64, 512, 1.05

    def __init__(self) -> None:
        self._seconds: dict[bool, float] = {}
        self._true, self._wait, self._pause = 1.0, 0, self._PAUSE

    def __call__(self) -> bool:
        """Whether to guess in the next pass."""
        self._wait -= 1
        return self._wait < 0

    def passed(self, seconds: float, *, guessed: bool) -> None:
        """A pass took so long."""
        held = self._seconds.get(guessed, seconds)
        self._seconds[guessed] = held + self._SHARE * (min(seconds, 4 * held) - held)

    def came_true(self, count: int) -> None:
        """So many guesses of a pass were said."""
        self._true += self._SHARE * (count - self._true)
        if len(self._seconds) < 2 or (1 + self._true) * self._seconds[False] > self._GAIN * self._seconds[True]:
            self._pause = self._PAUSE if count else self._pause
            return
        self._wait, self._pause, self._true = self._pause, min(2 * self._pause, self._LONGEST), 1.0


class LookAhead:
    """Steps of the first row alone, with at most `most` guesses each. Belongs to the decoder's thread.

    Attributes:
        length: positions that the cache has.
        passes: made so far; without guesses, one for each step.
    """

    def __init__(self, fused: FusedStep, most: int, length: int) -> None:
        self._fused, self._most, self.length = fused, most, length
        self._guesses, self._pays = Guesses(), Pays()
        self._text: list[int] = []
        self._guessed: list[int] = []
        self._place, self._used = 0, 0
        self._logits = torch.empty(0)
        self.passes = 0

    @classmethod
    def of(cls, fused: FusedStep, most: int, length: int) -> Self | None:
        """None where nothing is to be guessed, or steps compute one token of a row."""
        return cls(fused, most, length) if most and fused.takes_several else None

    def __call__(self, token: torch.Tensor, text: list[int], slots: RowSlots) -> torch.Tensor:
        """Logits [1, vocabulary] behind `token` [1], which stands behind `text`: all that the row's cache holds."""
        due, place = int(token[0]), len(text)
        ahead = place - self._place
        if text is self._text and ahead == self._used + 1 and self._guessed[self._used : ahead] == [due]:
            self._used = ahead
            return self._logits[ahead : ahead + 1]
        self._end()
        room = min(self._most, self.length - 1 - place)
        guessed = self._guesses.next(text, due, room) if room > 0 and self._pays() else []
        began = time.perf_counter()
        tokens = torch.tensor([due, *guessed])
        self._logits = self._fused.several(tokens, 0, place, slots.repeated(len(tokens)))
        self._pays.passed(time.perf_counter() - began, guessed=bool(guessed))
        self._text, self._place, self._guessed, self._used = text, place, guessed, 0
        self.passes += 1
        return self._logits[:1]

    def _end(self) -> None:
        """The pass before has given what it could."""
        if self._guessed:
            self._pays.came_true(self._used)
        self._guessed = []
