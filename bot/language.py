"""The language of the moment: every text as the person who is being spoken to reads it.

English stands in bot/texts.py and bot/moderation/texts.py. Another language is a package in bot/translations with one
module for each, holding the same names; a name it lacks is said in English. `texts` and `words` below stand for the two
and look a name up when it is asked for, in the language that the task at hand speaks. A name asked for while modules
are imported would be English for ever, so ask when speaking. Knows no Discord objects.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

__all__ = ["Language", "known", "language", "speak", "speaking", "texts", "words"]

Language = Literal["en", "de"]

_spoken: ContextVar[Language] = ContextVar("spoken", default="en")


def known(locale: str | None) -> Language:
    """The language to use with somebody whose Discord is set to `locale` ("de", "en-GB"): English if it is not ours."""
    code = (locale or "").partition("-")[0]
    return next((one for one in get_args(Language) if one == code), "en")


def language() -> Language:
    """What this task speaks."""
    return _spoken.get()


def speak(locale: str | None) -> None:
    """From now on this task, and those it starts, speak to somebody with that locale."""
    _spoken.set(known(locale))


@contextmanager
def speaking(locale: str | None) -> Iterator[None]:
    """Speak so for a while: to a channel, in the middle of an answer to one person."""
    before = _spoken.set(known(locale))
    try:
        yield
    finally:
        _spoken.reset(before)


class _Texts:
    """Stands for a module of English texts."""

    def __init__(self, english: str, translated: str) -> None:
        self._english = english
        self._translated = translated

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for module in self._modules(language()):
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(f"{self._english} has no text {name}")

    def _modules(self, spoken: Language) -> tuple[ModuleType, ...]:
        return _modules(self._english, self._translated, spoken)


@cache
def _modules(english: str, translated: str, spoken: Language) -> tuple[ModuleType, ...]:
    """Where to look, first to last."""
    named = [english] if spoken == "en" else [f"bot.translations.{spoken}.{translated}", english]
    return tuple(importlib.import_module(name) for name in named)


if TYPE_CHECKING:
    from bot import texts
    from bot.moderation import texts as words
else:
    texts = _Texts("bot.texts", "texts")
    words = _Texts("bot.moderation.texts", "moderation")
