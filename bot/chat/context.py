"""What the bot is shown of a conversation: from the history on Discord to turns within a token budget.

Plain functions over plain values: no Discord object, no engine and no store. The caller has already chosen the
messages, all from one channel.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.chat.speakers import could_be_labelled, labelled, labels_for
from bot.chat.window import TokenBudget, WindowStarts
from bot.i18n.en import texts
from bot.recall.records import NOTHING, Shown
from model.chat import Message
from storage.reply_records import Answered, Origin, Turn

__all__ = [
    "Context",
    "HistoryMessage",
    "Names",
    "compose",
    "messages",
    "name_prefix_length",
    "people_in",
    "plain_text",
    "shorten",
]

_REFERENCE = re.compile(
    r"<(?:(?P<kind>@!?|@&|#)(?P<id>\d+)|a?(?P<emoji>:\w+:)\d+|t:(?P<time>-?\d{1,12})(?::[a-zA-Z])?"
    r"|(?P<command>/[^:<>\n]{1,100}):\d+|id:(?P<page>[a-z-]{1,30}))>"
)
_NOWHERE = {"@": "@someone", "@&": "@role", "#": "#channel"}


@dataclass(frozen=True)
class HistoryMessage:
    """One message of the history. `text` is plain (see `plain_text`); `ours` marks the bot's own.

    `author_id` is None where nobody can be asked for consent: another bot's, a webhook's, a forwarded message's.
    `origin` says how the words came to the bot.
    `answered` is what a message of the bot replies to, where Discord says so.
    """

    message_id: int
    author_id: int | None
    name: str
    text: str
    ours: bool = False
    origin: Origin = "message"
    answered: Answered | None = None


@dataclass(frozen=True)
class Context:
    """What one answer is generated from. `conversation` is the same for every answer in one chain of replies.

    `shown` is what was found in the server's approved replies and documents; it is no part of the conversation.
    `answered`: what the bot's messages among the turns reply to. The store knows that of the answers that it holds; one
    may never have been stored, when the disk was full.
    """

    turns: tuple[Turn, ...]
    conversation: str
    shown: Shown = NOTHING
    answered: frozenset[Answered] = frozenset()


@dataclass(frozen=True)
class Names:
    """The names behind the ids that a message mentions."""

    users: Mapping[int, str]
    roles: Mapping[int, str]
    channels: Mapping[int, str]


def plain_text(content: str, names: Names, *, me: int) -> str:
    """Message content as a person reads it: the bot's own mention gone, ids as names, custom emoji as :name:."""
    known = {"@": names.users, "@&": names.roles, "#": names.channels}

    def read(match: re.Match[str]) -> str:
        if match["emoji"] or match["command"]:
            return match["emoji"] or match["command"]
        if match["time"]:
            return _point_in_time(int(match["time"])) or match[0]
        if match["page"]:
            return f"#{match['page']}"
        kind = match["kind"].rstrip("!")
        if kind == "@" and int(match["id"]) == me:
            return ""
        name = known[kind].get(int(match["id"]))
        return f"{kind[0]}{name}" if name else _NOWHERE[kind]

    lines = (re.sub(r"(?<=\S) {2,}", " ", line).rstrip() for line in _REFERENCE.sub(read, content).splitlines())
    return "\n".join(lines).strip(" \n,")


def _point_in_time(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return ""


def people_in(content: str) -> set[int]:
    """Ids of the people that message content mentions."""
    return {int(match["id"]) for match in _REFERENCE.finditer(content) if match["kind"] in ("@", "@!")}


def name_prefix_length(content: str, name: str) -> int:
    """How many characters at the start call the bot by its name, as `@Nightshift ` typed by hand; 0 if none do."""
    match = re.match(rf"\s*@{re.escape(name)}(?!\w)[\s,:]*", content, re.IGNORECASE)
    return match.end() if match else 0


def compose(
    history: Sequence[HistoryMessage], *, channel_id: int, root: int, budget: TokenBudget, starts: WindowStarts
) -> Context | None:
    """The newest messages that fit, oldest first, ending with a person's; not all of them where they begin in steps.

    Args:
        history: the conversation, oldest first; the question last.
        channel_id: the channel of the history.
        root: id of the message that began this chain of replies.
        budget: how many tokens there are for them.
        starts: where contexts began.

    Returns:
        None when there is nothing to answer. The last message is kept even when it alone does not fit: the
        engine decides whether to refuse it.
    """
    said = [one for one in map(_without_notice, history) if one.text]
    while said and said[-1].ours:
        said.pop()
    if not said:
        return None
    shown = said[_start(said, budget, starts) :]
    answered = frozenset(one.answered for one in shown if one.answered is not None)
    return Context(_turns(shown), f"discord:{channel_id}:{root}", answered=answered)


def _start(said: Sequence[HistoryMessage], budget: TokenBudget, starts: WindowStarts) -> int:
    """The index of the first message shown: where the last context began, and half of what fits once that is too far.

    Where no context began yet, as much as fits.
    """
    first = _first_that_fits(len(said), lambda at: budget.fits(messages(_turns(said[at:]))))
    if not first:
        return 0

    def half_fits(at: int) -> bool:
        return budget.half_fits(messages(_turns(said[at:])))

    known = [at for at, one in enumerate(said) if one.message_id in starts]
    for at in known:
        if at >= first and not half_fits(at):
            return at
    start = _first_that_fits(len(said), half_fits) if known else first
    starts.add(said[start].message_id)
    return start


def shorten(turns: Sequence[Turn], fits: Callable[[Sequence[Message]], bool]) -> tuple[Turn, ...]:
    """The newest turns that fit, beginning with a person's; the last is kept even when it alone does not fit."""
    starts = [index for index, turn in enumerate(turns) if turn.role == "user"] or [0]
    chosen = _first_that_fits(len(starts), lambda first: fits(messages(turns[starts[first] :])))
    return tuple(turns[starts[chosen] :])


def _first_that_fits(count: int, fits_from: Callable[[int], bool]) -> int:
    """The smallest start below `count` that fits, else the last. Fewer turns never need more tokens, so bisect."""
    return bisect_left(range(count - 1), True, key=fits_from)


def _without_notice(one: HistoryMessage) -> HistoryMessage:
    """Drop the bot's notices (an answer failed, how learning works): they are no part of the conversation."""
    if not one.ours:
        return one
    text, _ = texts.without_aside(one.text.partition(texts.NOTICE)[0])
    return replace(one, text=text.rstrip())


def _turns(said: Sequence[HistoryMessage]) -> tuple[Turn, ...]:
    """One turn for each message. Messages carry their speaker's label where it would be unclear without."""
    theirs = [one for one in said if not one.ours]
    labels = labels_for((_speaker(one), one.name) for one in theirs)
    with_labels = len(labels) > 1 or any(could_be_labelled(one.text) for one in theirs)
    turns: list[Turn] = []
    for one in said:
        if not one.ours:
            content = labelled(labels[_speaker(one)], one.text) if with_labels else one.text
            turns.append(Turn("user", content, one.author_id, one.message_id, one.origin))
        else:
            # No author: the store knows whom this message answered, and so whose consent it needs. Neighbours (the
            # parts of a long answer, answers to several people) are joined only when they are rendered.
            turns.append(Turn("assistant", one.text, message_id=one.message_id, origin="bot"))
    return tuple(turns)


def _speaker(one: HistoryMessage) -> int | str:
    return one.author_id if one.author_id is not None else one.name


def messages(turns: Sequence[Turn], persona: str = "") -> list[Message]:
    """The turns as the engine takes them, after the persona unless there is a system turn."""
    shown = [Message(turn.role, turn.content) for turn in turns]
    if persona and not any(turn.role == "system" for turn in turns):
        shown.insert(0, Message("system", persona))
    return shown
