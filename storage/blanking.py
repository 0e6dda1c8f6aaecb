"""Which words of a conversation go when some of it is withdrawn, and what repeats them. Pure.

The bot's answer goes with the words it answered. What it said later, to others, goes if it repeats them: an unusual
word of theirs, or four of their words in a row, that nobody else said in what it was shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from storage.records import Turn

__all__ = ["REDACTED", "Blanked", "blank", "recites", "repeats"]

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
_COMMON = frozenset(f"{_ENGLISH} {_GERMAN}".split())


@dataclass(frozen=True, slots=True)
class Blanked:
    """Turns with some of them blanked, whether the answer to them goes, and the words that people withdrew."""

    turns: tuple[Turn, ...]
    answer_gone: bool
    withdrawn: tuple[str, ...]


def blank(turns: Sequence[Turn], text: str, gone: Callable[[Turn], bool], *, withdrawn: Iterable[str] = ()) -> Blanked:
    """Blank the turns that are `gone`, the bot's answers to them, and what of the bot's later words repeats them.

    Args:
        turns: what the bot was shown.
        text: what it answered.
        gone: whether a turn is withdrawn.
        withdrawn: further words that were withdrawn, in other conversations.
    """
    removed = [turn.content for turn in turns if turn.role != "assistant" and gone(turn) and turn.content != REDACTED]
    everything = [*withdrawn, *removed]
    known = [turn.content for turn in turns if turn.role != "assistant" and not gone(turn)]
    left: list[Turn] = []
    before_gone = False
    for turn in turns:
        ours = turn.role == "assistant"
        before_gone = gone(turn) or (ours and (before_gone or repeats(turn.content, everything, known)))
        left.append(Turn(turn.role, REDACTED) if before_gone else turn)
    theirs = [
        turn.content for turn, now in zip(turns, left, strict=True) if turn.role == "assistant" and now is not turn
    ]
    answer_gone = before_gone or repeats(text, everything, known) or recites(text, theirs)
    return Blanked(tuple(left), answer_gone, tuple(removed))


def repeats(text: str, withdrawn: Iterable[str], known: Iterable[str] = ()) -> bool:
    """Whether a text repeats withdrawn words that are not `known` from others; it was said with both in view."""
    said = _words(text)
    theirs = [_words(one) for one in withdrawn]
    others = [_words(one) for one in known]
    telling = set(said) & {word for words in theirs for word in words} - {word for words in others for word in words}
    return any(map(_is_unusual, telling)) or bool(_runs([said]) & _runs(theirs) - _runs(others))


def recites(text: str, withdrawn: Iterable[str]) -> bool:
    """Whether a text says withdrawn words though nobody knows what it was said about: so much is no chance."""
    said = _words(text)
    theirs = [_words(one) for one in withdrawn]
    shared = set(said) & {word for words in theirs for word in words}
    if any(len(word) >= _NUMBER and any(map(str.isdigit, word)) for word in shared):
        return True
    return any(any(map(_is_unusual, run)) for run in _runs([said]) & _runs(theirs))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(texts: Iterable[Sequence[str]]) -> set[tuple[str, ...]]:
    return {tuple(words[start : start + _RUN]) for words in texts for start in range(len(words) - _RUN + 1)}


def _is_unusual(word: str) -> bool:
    return any(map(str.isdigit, word)) or (len(word) >= _UNUSUAL and word not in _COMMON)
