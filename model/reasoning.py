"""What reasoning models think aloud: never shown, stored, learned or fed back. Text in, text out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

__all__ = ["SWITCHES", "Tag", "ThoughtFilter", "open_tag", "tags_of", "without_thoughts"]

Tag = tuple[str, str]

_ALWAYS: Tag = ("<think>", "</think>")
_TAGS: tuple[Tag, ...] = (
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reason>", "</reason>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<unused94>", "<unused95>"),
)

SWITCHES: dict[str, object] = {
    "enable_thinking": False,  # Qwen 3, SmolLM 3, GLM 4.5, Hunyuan, Nemotron
    "thinking": False,  # DeepSeek 3.1, Granite
    "enable_reasoning": False,
    "reasoning": False,  # Command A
    "think": False,
    "thinking_mode": "off",
    "thinking_budget": 0,  # Seed OSS
    "reasoning_effort": "low",  # gpt-oss has no "off"
}
"""Variables by which templates turn thinking off, and the value that does."""


def tags_of(tokenizer: Any) -> tuple[Tag, ...]:
    """The tags that this tokenizer's model may think between."""
    return _tags_of(tokenizer, str(getattr(tokenizer, "chat_template", None) or ""))


@lru_cache(maxsize=8)
def _tags_of(tokenizer: Any, template: str) -> tuple[Tag, ...]:
    vocabulary = {str(token.content) for token in tokenizer.added_tokens_decoder.values()}
    return (_ALWAYS, *(tag for tag in _TAGS if tag[0] in template or tag[0] in vocabulary))


def open_tag(text: str, tags: Sequence[Tag]) -> Tag | None:
    """The tag that `text` opens last and does not close again."""
    opened = [tag for tag in tags if text.rfind(tag[0]) > text.rfind(tag[1])]
    return max(opened, key=lambda tag: text.rfind(tag[0]), default=None)


def without_thoughts(text: str, tags: Sequence[Tag] = (_ALWAYS,)) -> str:
    """The text without what stands between the tags; an opened thought goes to the end, a closed one from the start."""
    if not any(mark in text for tag in tags for mark in tag):
        return text
    for opened, closed in tags:
        text = re.sub(f"{re.escape(opened)}.*?(?:{re.escape(closed)}|\\Z)", "", text, flags=re.DOTALL)
        text = text.rpartition(closed)[2]
    return text.strip()


class ThoughtFilter:
    """The same for text that comes in pieces: a tag is seen wherever the pieces part it."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        self._tags = tuple(tags)
        self._inside: str | None = None  # the tag that ends the thought
        self._held = ""
        self._shown = False
        self._dropped = False

    def push(self, piece: str) -> str:
        """Take a piece; returns what may be shown."""
        text, self._held = self._held + piece, ""
        shown = ""
        while text:
            marks = (self._inside,) if self._inside else tuple(mark for tag in self._tags for mark in tag)
            at, mark = min(((at, mark) for mark in marks if (at := text.find(mark)) >= 0), default=(-1, ""))
            if at < 0:
                keep = max(_overlap(text, mark) for mark in marks)
                self._held = text[len(text) - keep :] if keep else ""
                return self._show(shown + ("" if self._inside else text[: len(text) - keep]))
            shown += "" if self._inside else text[:at]
            self._dropped = True
            self._inside = None if self._inside else dict(self._tags).get(mark)
            text = text[at + len(mark) :]
        return self._show(shown)

    def flush(self) -> str:
        """The end: what was held back is text after all, unless it is part of a thought."""
        held, self._held = self._held, ""
        return "" if self._inside else self._show(held)

    def _show(self, text: str) -> str:
        if self._dropped and not self._shown:
            text = text.lstrip()
        self._shown = self._shown or bool(text.strip())
        return text


def _overlap(text: str, mark: str) -> int:
    """Length of the longest end of `text` that the mark could begin with."""
    return next((n for n in range(min(len(mark) - 1, len(text)), 0, -1) if text.endswith(mark[:n])), 0)
