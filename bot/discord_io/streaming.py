"""An answer on Discord that grows while it is written: one message, edited, and split where Discord's limit asks.

Knows how to cut text and when an edit is due; it does not know where the text comes from, who asked, or that a
language model exists.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.discord_io.edit_budget import EditBudget
from bot.discord_io.markup import closing, open_markup

__all__ = ["MESSAGE_LIMIT", "MessageStream", "split"]

MESSAGE_LIMIT = 2000  # characters in one Discord message
_AFTER_FAILURE = 5.0  # seconds without an edit of unfinished text after one that failed
_CLOSING = 12  # characters at the end of a part for what closes its markup
_MARKS = "`*_~|"
_LINK = re.compile(r"\[[^\]\n]{0,200}(?:\](?:\([^)\s]{0,400})?)?$")  # a masked link that has begun
# Best place to cut first: between paragraphs, after a line, after a sentence, between words.
_CUTS = (re.compile(r"\n\s*\n"), re.compile(r"\n"), re.compile(r"(?<=[.!?\u2026])\s"), re.compile(r"\s"))


def split(text: str, limit: int = MESSAGE_LIMIT) -> list[str]:
    """Cut `text` into parts of at most `limit` characters, at the ends of paragraphs, lines, sentences or words.

    Markup that is cut (a code block with its language, bold, a spoiler) is closed in one part and opened again in the
    next. The parts that come before the last do not change when more text is added at the end, so a growing answer
    never moves.
    """
    parts: list[str] = []
    rest = text.strip()
    opening = ""
    while len(opening) + len(rest) > limit:
        cut = _cut(rest[: limit - len(opening) - _CLOSING + 1])
        part, rest = opening + rest[:cut].rstrip(), rest[cut:]
        opened = open_markup(part)
        in_code = bool(opened) and opened[0].startswith("```")
        rest = rest.removeprefix("\n") if in_code else rest.lstrip()  # indentation is code
        parts.append(part + closing(part))
        opening = f"{opened[0]}\n" if in_code else "".join(opened)
    if rest:
        parts.append(opening + rest)
    return parts


def _cut(window: str) -> int:
    """Where to cut, given one character more than fits: the last good place in the later half, else the end."""
    for pattern in _CUTS:
        places = [match.start() for match in pattern.finditer(window)]
        if places and places[-1] >= len(window) // 2:
            return _before_link(window, places[-1])
    end = len(window) - 1
    while end > 1 and window[end] in _MARKS and window[end - 1] == window[end]:
        end -= 1  # not through a row of signs that mean something together
    return _before_link(window, end)


def _before_link(window: str, cut: int) -> int:
    """A cut that would go through a masked link, moved to before it."""
    link = _LINK.search(window[:cut])
    return link.start() if link is not None and link.start() >= len(window) // 2 else cut


class MessageStream:
    """Shows a growing text as one or more messages.

    `send` posts one message: it gets the content, the first message of this answer (None when it is the first), and
    as `view` the controls below it; `edit` changes a message, given what changes. Between two edits lie at least
    `interval` seconds, and the channel's `edit_budget` must allow it. Text that arrives earlier is shown by a later
    edit, and `finish` always shows the whole. Only the last message carries controls: `controls` while the text grows,
    those given to `finish` afterwards. `text` is the newest text given, shown or not.

    With `existing`, messages of an earlier answer, the text replaces theirs; `restore` shows theirs again.
    """

    def __init__(
        self,
        send: Callable[..., Awaitable[Any]],
        *,
        edit: Callable[..., Awaitable[Any]] | None = None,
        interval: float = 1.0,
        edit_budget: EditBudget | None = None,
        controls: Any = None,
        existing: Sequence[Any] = (),
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._send = send
        self._edit = edit or _edit
        self._interval = interval
        self._edit_budget = edit_budget
        self._controls = controls
        # Not a default argument: a simulated Discord replaces the clock while its world runs.
        self._clock = clock or time.monotonic
        self._sleep = sleep
        self._shown = [_as_it_stands(one, controls if one is existing[-1] else None) for one in existing]
        self._before = [one.content for one in self._shown]
        self._left: list[_Shown] | None = None
        self.text = ""
        self._quiet_until = 0.0
        self._last_write: float | None = None
        self._last_edit: float | None = None
        self._last_is_paid = False

    @property
    def messages(self) -> list[Any]:
        """The messages sent so far, first to last."""
        return [shown.message for shown in self._shown]

    async def update(self, text: str) -> None:
        """Show `text` if enough time has passed since the last write and the channel has room; else return at once."""
        self.text = text
        now = self._clock()
        if now < self._quiet_until or (self._last_write is not None and now - self._last_write < self._interval):
            return
        if self._may_edit():
            try:
                await self._show(_parts(text, self._controls))
            except BaseException:
                self._quiet_until = self._clock() + _AFTER_FAILURE
                raise

    async def notice(self, text: str) -> None:
        """Show `text` for as long as there is no answer; the answer takes its place."""
        if self._may_edit():
            await self._show(_parts(text, self._controls))

    def _may_edit(self) -> bool:
        """Whether the channel's edit budget allows showing unfinished text.

        What is begun needs an edit to be ended, and that one is paid for at once: of many answers in one channel, the
        first few are seen to grow, and the others come whole instead of waiting for their last edit.
        """
        if self._edit_budget is None:
            return True
        spare = self._edit_budget.has_spare
        if spare and self._last_write is None:
            self._last_is_paid = self._edit_budget.take() == 0
        return spare

    async def finish(self, text: str, controls: Any = None) -> None:
        """Show the whole of `text`, waiting for the next edit's turn if the last was a moment ago."""
        self.text = text
        await self._end(_parts(text, controls))

    async def renew(self, text: str, controls: Any = None) -> list[Any]:
        """Show the whole of `text` in new messages, where those there are cannot be edited; returns those.

        What becomes of those is the caller's affair. Call it again if it fails.
        """
        self.text = text
        if self._left is None:
            self._left, self._shown = self._shown, []
        try:
            await self._show(_parts(text, controls), wait=True)
        except BaseException:
            if not self._shown:  # nothing new stands there: what is old is all there is
                self._shown, self._left = self._left, None
            raise
        left, self._left = self._left, None
        return [shown.message for shown in left]

    async def restore(self, controls: Any = None) -> None:
        """Show again what stood there before, with these controls below it."""
        await self._end(_below(self._before, controls))

    async def _end(self, parts: list[tuple[str, Any]]) -> None:
        if self._last_edit is not None and parts != [(shown.content, shown.controls) for shown in self._shown]:
            wait = self._last_edit + self._interval - self._clock()
            if wait > 0:
                await self._sleep(wait)
        await self._show(parts, wait=True)
        for shown in self._shown[len(parts) :]:
            await shown.message.delete()
        del self._shown[len(parts) :]

    async def _show(self, parts: list[tuple[str, Any]], *, wait: bool = False) -> None:
        for index, (content, below) in enumerate(parts):
            if index >= len(self._shown):
                first = self._shown[0].message if self._shown else None
                view = {} if below is None else {"view": below}
                message = await self._send(content, first, **view)
                self._last_write = self._clock()
                self._shown.append(_as_it_came_back(message, content, below))
                if self._shown[index].content == content:
                    continue
            shown = self._shown[index]
            changes: dict[str, Any] = {}
            if shown.content != content:
                changes["content"] = content
            if shown.controls is not below:
                changes["view"] = below
            if changes:
                paid = wait and self._last_is_paid
                pause = self._edit_budget.take() if self._edit_budget is not None and not paid else 0.0
                self._last_is_paid = self._last_is_paid and not paid
                if wait and pause > 0:
                    await self._sleep(pause)
                await self._edit(shown.message, **changes)
                shown.content, shown.controls = content, below
                self._last_write = self._last_edit = self._clock()


async def _edit(message: Any, **changes: Any) -> None:
    await message.edit(**changes)


@dataclass
class _Shown:
    """One message as it stands on Discord."""

    message: Any
    content: str | None  # None: not known
    controls: Any


def _as_it_came_back(message: Any, content: str, controls: Any) -> _Shown:
    """A message just sent. Discord may know its nonce from an earlier attempt, and give that one's message."""
    if _custom_ids(message) == _custom_ids_of(controls) and message.content == content:
        return _Shown(message, content, controls)
    return _Shown(message, None, object())


def _as_it_stands(message: Any, controls: Any) -> _Shown:
    """A message of an earlier answer; what of it is not known will be changed."""
    unknown = controls is None and _custom_ids(message)
    return _Shown(message, getattr(message, "content", None), object() if unknown else controls)


def _custom_ids(message: Any) -> list[str | None]:
    rows = getattr(message, "components", ())
    return [getattr(one, "custom_id", None) for row in rows for one in getattr(row, "children", ())]


def _custom_ids_of(view: Any) -> list[str | None]:
    return [] if view is None else [getattr(one, "custom_id", None) for one in view.children]


def _parts(text: str, controls: Any) -> list[tuple[str, Any]]:
    """The messages that show `text`, each with what stands below it."""
    return _below(split(text), controls)


def _below(contents: Sequence[Any], controls: Any) -> list[tuple[str, Any]]:
    """Only the last message carries controls."""
    return [(content, controls if index == len(contents) else None) for index, content in enumerate(contents, start=1)]
