"""JSON values out of a file, one after the other: those of an array, or written one behind the other.

However long the file is, only one value is held at a time. Knows JSON, not pairs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO

from storage.files.row_rules import RowRefused

__all__ = ["LONGEST_VALUE", "json_items", "json_values"]

LONGEST_VALUE = 1_000_000
"""Characters of one row."""
_BLOCK = 65_536
_SPACE = re.compile(r"[\s,]*")
_decoder = json.JSONDecoder()


def json_values(file: IO[str]) -> Iterator[tuple[int, object]]:
    """Each value with the line it begins on; a list at the top yields its values one by one.

    The last is a RowRefused where the rest of the file cannot be read.
    """
    text = _Buffer(file)
    in_array = False
    while True:
        text.skip_space()
        sign = text.peek()
        if not sign:
            return
        if sign == "[" and not in_array:
            in_array = True
            text.skip(1)
        elif sign == "]" and in_array:
            in_array = False
            text.skip(1)
        else:
            line = text.line
            value = text.value()
            yield line, value
            if isinstance(value, RowRefused):
                return


def json_items(file: IO[str], name: str) -> Iterator[tuple[int, object]]:
    """The values of the list called `name` in the object that the file is, each with the line it begins on.

    However long the list is, only one value is held at a time. None where the file is no object, or has no such list;
    the last is a RowRefused where the rest of the file cannot be read.
    """
    text = _Buffer(file)
    text.skip_space()
    if text.peek() != "{":
        return
    text.skip(1)
    while text.next_sign() not in ("", "}"):
        key = text.value()
        text.skip_space()
        if isinstance(key, RowRefused) or text.peek() != ":":
            return
        text.skip(1)
        text.skip_space()
        if key == name and text.peek() == "[":
            text.skip(1)
            yield from _items(text)
            return
        if isinstance(text.value(), RowRefused):
            return


def _items(text: _Buffer) -> Iterator[tuple[int, object]]:
    """The values up to the end of a list that has begun."""
    while text.next_sign() not in ("", "]"):
        line = text.line
        value = text.value()
        yield line, value
        if isinstance(value, RowRefused):
            return


class _Buffer:
    """The file from the current place on. `line` is the number of the line there."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._text, self._at = file, "", 0
        self.line = 1

    def peek(self) -> str:
        if self._at >= len(self._text):
            self._read(_BLOCK)
        return self._text[self._at : self._at + 1]

    def skip(self, count: int) -> None:
        self.line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def skip_space(self) -> None:
        while self.peek():
            match = _SPACE.match(self._text, self._at)
            length = len(match[0]) if match else 0
            self.skip(length)
            if self._at < len(self._text):
                return

    def next_sign(self) -> str:
        """The next sign that is no space and no comma; "" at the end."""
        self.skip_space()
        return self.peek()

    def value(self) -> object:
        """The value that begins here, or why there is none."""
        wanted = _BLOCK
        while True:
            try:
                value, end = _decoder.raw_decode(self._text, self._at)
            except RecursionError:
                return RowRefused("it is broken JSON: too many brackets within each other")
            except ValueError:
                held = len(self._text) - self._at
                if held > LONGEST_VALUE:
                    return RowRefused(
                        f"it is broken JSON, or longer than {LONGEST_VALUE:,} characters; what follows is not read"
                    )
                if not self._read(wanted):
                    return RowRefused("it is broken JSON; what follows is not read")
                wanted *= 2  # so that a long value is not tried too often
            else:
                self.skip(end - self._at)
                return value

    def _read(self, count: int) -> bool:
        more = self._file.read(count)
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)
