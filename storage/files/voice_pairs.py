"""Pairs from a conversation: one person's messages as answers to what came before. Pure.

Messages that somebody sends one after the other become one turn. A pause begins a new conversation. An answer that
replies to an older message is an answer to that one alone. Other people's names are kept or replaced, in labels and
where they are mentioned; names that are written out in a text stay as they are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import islice
from typing import Literal

from storage.files.discord_export import Said
from storage.files.row_rules import BadRow, RowRefused, RowRules
from storage.files.speaker_labels import labelled, labels_for
from storage.pair_records import NewPair
from storage.reply_records import Origin, Turn

__all__ = ["Names", "VoiceRules", "in_order", "pairs_of"]

Names = Literal["keep", "replace"]
_ORIGIN: Origin = "discord_export"

_PAUSE = timedelta(hours=1)
_TOGETHER = timedelta(minutes=10)
_TURNS = 8
_LOOKED_AT = 50  # messages, to see which way an export goes
_REMEMBERED = 2000  # messages that a reply can go back to
_REPLACED = "Member {}"
_MENTION = re.compile(r"<@!?(\d+)>")


@dataclass(frozen=True, slots=True)
class VoiceRules:
    """Whose messages are the answers, what becomes of other people's names, and what is asked of each text."""

    voice: int
    names: Names
    rules: RowRules


@dataclass(slots=True)
class _Spoken:
    """Messages of one person in a row, as one turn."""

    first: Said
    last: Said
    said: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class _Conversation:
    turns: deque[_Spoken] = field(default_factory=lambda: deque(maxlen=_TURNS))
    known: dict[str, Said] = field(default_factory=dict)


def in_order(said: Iterable[Said | BadRow]) -> Iterator[Said | BadRow]:
    """Messages from the oldest to the newest: an export may begin with the newest."""
    waiting = iter(said)
    head = list(islice(waiting, _LOOKED_AT))
    times = [one.at for one in head if isinstance(one, Said) and one.at is not None]
    if len(times) > 1 and times[0] > times[-1]:
        rest = [*head, *waiting]
        yield from reversed(rest)
        return
    yield from head
    yield from waiting


def pairs_of(said: Iterable[Said | BadRow], asked: VoiceRules) -> Iterator[NewPair | BadRow]:
    """The pairs of a conversation in order, and a BadRow for each answer that cannot be one."""
    held = _Conversation()
    for one in said:
        if isinstance(one, BadRow):
            yield one
            continue
        last = held.turns[-1] if held.turns else None
        if last is not None and _continues(last, one):
            last.said.append(one)
            last.last = one
        elif one.text or one.files:
            yield from _answer(held, asked)
            if last is not None and _apart(last.last, one):
                held.turns.clear()
            held.turns.append(_Spoken(one, one, [one]))
        _remember(held, one)
    yield from _answer(held, asked)


def _answer(held: _Conversation, asked: VoiceRules) -> Iterator[NewPair | BadRow]:
    """The pair that the newest turn makes, if it is the voice's and answers somebody."""
    if not held.turns or held.turns[-1].first.author != asked.voice:
        return
    *before, answer = held.turns
    replied = held.known.get(answer.first.reply_to or "")
    if replied is not None and (not before or replied.id not in _ids(before[-1])):
        before = [_Spoken(replied, replied, [replied])] if replied.text or replied.files else []
    before = [one for one in before if one.first.author != asked.voice or any(said.text for said in one.said)]
    while before and before[0].first.author == asked.voice:
        before = before[1:]
    if not before or before[-1].first.author == asked.voice or not any(one.text for one in answer.said):
        return
    try:
        yield _pair(before, answer, asked)
    except RowRefused as refusal:
        yield BadRow(answer.first.number, str(refusal))


def _pair(before: list[_Spoken], answer: _Spoken, asked: VoiceRules) -> NewPair:
    """Raises RowRefused."""
    shown = _namer(before, asked)
    others = {one.first.author for one in before} - {asked.voice}
    labels = shown if len(others) > 1 else None
    turns = []
    for one in before:
        mine = one.first.author == asked.voice
        text = _text(one, asked, shown)
        if labels is not None and not mine:
            text = labelled(labels(one.first.author, one.first.name), text)
        checked = asked.rules.text(text, "a message before it")
        turns.append(Turn("assistant" if mine else "user", checked, one.first.author, origin=_ORIGIN))
    words = asked.rules.reply(_text(answer, asked, shown), "the answer")
    return NewPair(tuple(turns), words, _ORIGIN, asked.voice)


def _namer(before: list[_Spoken], asked: VoiceRules) -> Callable[[int, str], str]:
    """What each other person is called in a pair, by id; the same person is called the same throughout."""
    given = dict(labels_for((one.first.author, one.first.name) for one in before))
    order = [who for who in given if who != asked.voice]

    def name(who: int, called: str) -> str:
        if asked.names == "keep" or who == asked.voice:
            return given.get(who) or called
        if who not in order:
            order.append(who)
        return _REPLACED.format(order.index(who) + 1)

    return name


def _text(one: _Spoken, asked: VoiceRules, shown: Callable[[int, str], str]) -> str:
    """A turn's words, with other people's names replaced where they are mentioned; the voice's without its files."""
    mine = one.first.author == asked.voice
    lines = [line for said in one.said for line in (said.text, *(() if mine else map("[file: {}]".format, said.files)))]
    text = "\n".join(line for line in lines if line)
    called = {name: who for said in one.said for who, name in said.mentions}
    if asked.names == "replace":
        for name in sorted(called, key=len, reverse=True):
            text = text.replace(f"@{name}", f"@{shown(called[name], name)}")
    by_id = {who: name for name, who in called.items()}
    return _MENTION.sub(lambda match: f"@{shown(int(match[1]), by_id.get(int(match[1]), 'somebody'))}", text)


def _continues(last: _Spoken, one: Said) -> bool:
    """Whether a message goes on with what its author said just before."""
    if (
        one.author != last.last.author
        or not (one.text or one.files)
        or (one.reply_to and one.reply_to != last.first.reply_to)
    ):
        return False
    return last.last.at is None or one.at is None or one.at - last.last.at <= _TOGETHER


def _apart(before: Said, one: Said) -> bool:
    """Whether so much time has passed that another conversation begins."""
    return before.at is not None and one.at is not None and one.at - before.at > _PAUSE


def _ids(one: _Spoken) -> set[str]:
    return {one.first.id, one.last.id}


def _remember(held: _Conversation, one: Said) -> None:
    held.known[one.id] = replace(one, reply_to=None)
    if len(held.known) > _REMEMBERED:
        del held.known[next(iter(held.known))]
