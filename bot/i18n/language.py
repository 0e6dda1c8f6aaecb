"""The language of the moment: every text as the person who is being spoken to reads it.

English texts are in the modules of bot/i18n/en. Another language has a package beside it, with a module of the same
name for each and the same names in it; a name it lacks is said in English. A module of texts calls `in_every_language`
at its end. From then on, its names are looked up in the language of the running task each time they are asked for. So
ask when speaking: what is asked for while modules are imported stays English. Knows no Discord objects.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from types import ModuleType
from typing import Any, Literal, get_args

__all__ = ["Language", "in_every_language", "known", "language", "speak", "speaking", "translation"]

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


def in_every_language(name: str) -> None:
    """Make the module called `name` say its texts in the language of the moment."""
    # Python's documented way to customise a module (the language reference, "Customizing module attribute access").
    sys.modules[name].__class__ = _Texts


@cache
def translation(name: str, spoken: Language) -> ModuleType:
    """The module that holds another language's texts for the English module called `name`."""
    return importlib.import_module(name.replace(".en.", f".{spoken}."))


class _Texts(ModuleType):
    """A module of texts that is translated."""

    def __getattribute__(self, name: str) -> Any:
        spoken = _spoken.get()
        if spoken != "en" and not name.startswith("_"):
            translated = vars(translation(super().__getattribute__("__name__"), spoken))
            if name in translated:
                return translated[name]
        return super().__getattribute__(name)
