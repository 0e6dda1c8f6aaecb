"""An answer on Discord that grows while it is written: one message, edited, and split where Discord's limit asks.

Knows how to cut text and when an edit is due; it does not know where the text comes from, who asked, or that a
language model exists.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

__all__ = ["MESSAGE_LIMIT", "MessageStream", "Sent", "split"]

MESSAGE_LIMIT = 2000  # characters in one Discord message
_FENCE = re.compile(r"```(?:(\w+)(?=\n))?")  # opens and closes a code block, wherever it stands
# Best place to cut first: between paragraphs, after a line, after a sentence, between words.
_CUTS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?\u2026])\s"), re.compile(r"\s"))


class Sent(Protocol):
    """What is needed of a message once it is sent (discord.Message has it)."""

    async def edit(self, *, content: str) -> Any: ...


def split(text: str, limit: int = MESSAGE_LIMIT) -> list[str]:
    """Cut `text` into parts of at most `limit` characters, at the ends of paragraphs, lines, sentences or words.

    A code block that is cut is closed in one part and opened again, in its language, in the next. The parts that
    come before the last do not change when more text is added at the end, so a growing answer never moves.
    """
    parts: list[str] = []
    rest = text.strip()
    opening = ""
    while len(opening) + len(rest) > limit:
        room = limit - len(opening) - len("\n```")
        cut = _cut(rest[: room + 1])
        body, rest = rest[:cut].rstrip(), rest[cut:]
        language = _open_fence(opening + body)
        rest = rest.lstrip() if language is None else rest.removeprefix("\n")  # indentation is code
        closing = "" if language is None else "\n```"
        parts.append(opening + body + closing)
        opening = "" if language is None else f"```{language}\n"
    if rest:
        parts.append(opening + rest)
    return parts


def _cut(window: str) -> int:
    """Where to cut, given one character more than fits: the last good place in the later half, else the end."""
    for pattern in _CUTS:
        places = [match.start() for match in pattern.finditer(window)]
        if places and places[-1] >= len(window) // 2:
            return places[-1]
    return len(window) - 1


def _open_fence(part: str) -> str | None:
    """The language of the code block still open at the end of `part` ("" if it names none), or None."""
    fences = _FENCE.findall(part)
    return fences[-1] if len(fences) % 2 else None


class MessageStream:
    """Shows a growing text as one or more messages.

    `send` posts one message: it gets the content and the first message of this answer (None when it is the first).
    Between two edits lie at least `interval` seconds; text that arrives earlier is shown by a later edit, and
    `finish` always shows the whole. `text` is the newest text given, shown or not.
    """

    def __init__(
        self,
        send: Callable[[str, Any], Awaitable[Any]],
        *,
        interval: float = 1.0,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._send = send
        self._interval = interval
        # Not a default argument: a simulated Discord replaces the clock while its world runs.
        self._clock = clock or time.monotonic
        self._sleep = sleep
        self._shown: list[tuple[Any, str]] = []
        self.text = ""
        self._last_write: float | None = None
        self._last_edit: float | None = None

    @property
    def messages(self) -> list[Any]:
        """The messages sent so far, first to last."""
        return [message for message, _ in self._shown]

    async def update(self, text: str) -> None:
        """Show `text` if enough time has passed since the last write; returns at once otherwise."""
        self.text = text
        if self._last_write is None or self._clock() - self._last_write >= self._interval:
            await self._show(text)

    async def finish(self, text: str) -> None:
        """Show the whole of `text`, waiting for the next edit's turn if the last was a moment ago."""
        self.text = text
        if self._last_edit is not None and split(text) != [content for _, content in self._shown]:
            wait = self._last_edit + self._interval - self._clock()
            if wait > 0:
                await self._sleep(wait)
        await self._show(text)

    async def _show(self, text: str) -> None:
        for index, content in enumerate(split(text)):
            if index >= len(self._shown):
                first = self._shown[0][0] if self._shown else None
                self._shown.append((await self._send(content, first), content))
                self._last_write = self._clock()
            elif self._shown[index][1] != content:
                message = self._shown[index][0]
                await message.edit(content=content)
                self._shown[index] = (message, content)
                self._last_write = self._last_edit = self._clock()
