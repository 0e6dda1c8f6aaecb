"""Which words of a conversation go when some of it is withdrawn, and what repeats them.

The bot's answer goes with the words it answered. What it said later, to others, goes if it repeats them: an unusual
word of theirs, or four of their words in a row, that nobody else said in what it was shown. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from storage.reply_records import Turn

__all__ = ["COMMON", "REDACTED", "RedactedTurns", "RemovedWords", "redact_turns"]

REDACTED = "[redacted]"

_SIGNS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # scripts without spaces: each sign counts as a word
_WORD = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}]+")
_RUN = 4
_UNUSUAL = 4  # letters of a word that says something by itself, unless everybody uses it
_NUMBER = 4  # and signs of one with a digit in it that nobody says by chance
_ENGLISH = """
    about above after again against also always another because been before being below between both came cannot
    come could does doing done down during each even every find first from gave give goes going good have having
    here hers herself himself into itself just keep know last like long look made make many maybe more most much
    must myself need never next nothing only other ours over please really said same says shall should since
    some something still such sure take tell than that their theirs them themselves then there these they thing
    think this those through time today under until upon very want wants well went were what when where which
    while whom whose will with without would year years your yours yourself
"""
_GERMAN = """
    aber alle allem allen aller alles also andere anderen anderer auch beim bist bitte dann dein deine deinem
    deinen deiner denn dich diese diesem diesen dieser dieses doch dort durch eine einem einen einer eines euch
    euer eure etwas ganz gegen gibt gewesen haben habe hast hatte hatten hier hinter ihnen ihre ihrem ihren
    ihrer immer jede jedem jeden jeder jedes jetzt kann kannst kein keine keinem keinen keiner k\u00f6nnen k\u00f6nnte
    machen manche mein meine meinem meinen meiner mich mehr muss musste nach nicht nichts noch oder ohne sage
    sagen sagt schon sehr sein seine seinem seinen seiner selbst sich sind sollte sonst \u00fcber unser unsere unter
    viel vielleicht vom warum weil welche welchem welchen welcher welches wenn werde werden wieder wird wirst
    wissen wollen wurde wurden zwischen
"""
COMMON = frozenset(f"{_ENGLISH} {_GERMAN}".split())


class RemovedWords:
    """Words that were withdrawn, in a form that answers quickly whether a text repeats them."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._words: set[str] = set()  # the unusual ones
        self._runs: set[tuple[str, ...]] = set()
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Take in what somebody said."""
        words = _words(text)
        self._words.update(word for word in words if _is_unusual(word))
        self._runs |= _runs(words)

    def __bool__(self) -> bool:
        return bool(self._words or self._runs)

    def repeated_in(self, text: str, known: Iterable[str] = ()) -> bool:
        """Whether a text repeats them, but for what is `known` from others; it was said with both in view."""
        words = _words(text)
        telling, runs = self._words.intersection(words), self._runs & _runs(words)
        if not telling and not runs:
            return False
        others = [_words(one) for one in known]
        return bool(telling.difference(*others) or runs.difference(*map(_runs, others)))

    def recited_in(self, text: str) -> bool:
        """Whether a text says them though nobody knows what it was said about: so much is no chance."""
        words = _words(text)
        if any(len(word) >= _NUMBER and any(map(str.isdigit, word)) for word in self._words.intersection(words)):
            return True
        return any(any(map(_is_unusual, run)) for run in self._runs & _runs(words))


@dataclass(frozen=True, slots=True)
class RedactedTurns:
    """Turns with some of them blanked, and whether the answer to them goes."""

    turns: tuple[Turn, ...]
    answer_gone: bool


def redact_turns(
    turns: Sequence[Turn], text: str, gone: Callable[[Turn], bool], withdrawn: RemovedWords
) -> RedactedTurns:
    """Blank the turns that are `gone`, the bot's answers to them, and what of the bot's later words repeats them.

    Args:
        turns: what the bot was shown.
        text: what it answered.
        gone: whether a turn is withdrawn.
        withdrawn: takes in what people say in those turns; holds what was withdrawn elsewhere.
    """
    for turn in turns:
        if turn.role != "assistant" and turn.content != REDACTED and gone(turn):
            withdrawn.add(turn.content)
    known = [turn.content for turn in turns if turn.role != "assistant" and not gone(turn)]
    left: list[Turn] = []
    ours = RemovedWords()  # what the bot said in answer, which may quote what is stored no longer
    before_gone = False
    for turn in turns:
        by_bot = turn.role == "assistant"
        before_gone = gone(turn) or (by_bot and (before_gone or withdrawn.repeated_in(turn.content, known)))
        if before_gone and by_bot:
            ours.add(turn.content)
        left.append(Turn(turn.role, REDACTED, origin=turn.origin) if before_gone else turn)
    answer_gone = before_gone or withdrawn.repeated_in(text, known) or ours.recited_in(text)
    return RedactedTurns(tuple(left), answer_gone)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[start : start + _RUN]) for start in range(len(words) - _RUN + 1)}


def _is_unusual(word: str) -> bool:
    return any(map(str.isdigit, word)) or (len(word) >= _UNUSUAL and word not in COMMON)
