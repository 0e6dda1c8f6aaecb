"""Rows of a file of pairs: what is taken, what is refused, and in which words. Pure.

Shared by the formats; knows none of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from storage.files.encodings import damaged

_THOUGHT = re.compile(r"<think>.*?(?:</think>\s*|\Z)", re.DOTALL)  # of reasoning models: no part of an answer


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was refused. `number` is the line of the file on which it begins, from 1 (a CSV's header is 1)."""

    number: int
    reason: str


class RowRefused(Exception):
    """Why a row is refused, in plain words. Never leaves the readers."""


@dataclass(frozen=True, slots=True)
class RowRules:
    """What is asked of each row, and the signature that replies get. Lengths in characters."""

    append_signature: str = ""
    max_chars: int = 8000

    def text(self, value: object, name: str) -> str:
        """`value` as the text called `name`. Raises RowRefused if it is no text, empty, too long or damaged."""
        if not isinstance(value, str):
            raise RowRefused(f"{name} is not text")
        if not value.strip():
            raise RowRefused(f"{name} is empty")
        if len(value) > self.max_chars:
            raise RowRefused(f"{name} has {len(value):,} characters, more than {self.max_chars:,}")
        if damaged(value):
            raise RowRefused(f"{name} is not valid UTF-8 text: save the file as UTF-8 and import it again")
        if "\0" in value or not _is_unicode(value):
            raise RowRefused(f"{name} is not valid UTF-8 text")
        return value

    def reply(self, value: object, name: str) -> str:
        """`value` as a reply: without white space at its end, and signed once if there is a signature."""
        text = _THOUGHT.sub("", self.text(value, name)).rstrip()
        if not text:
            raise RowRefused(f"{name} holds nothing but what a model thought")
        mark = self.append_signature.strip()
        if mark and not text.endswith(mark):
            return text + self.append_signature.rstrip()
        return text


def _is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8 (half of a surrogate pair cannot)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
