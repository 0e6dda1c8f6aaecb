"""Functions of an open database as methods of an object that holds one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from sqlite3 import Connection
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Connected:
    """An object with a connection, to be used by the thread that opened it."""

    def __init__(self, db: Connection) -> None:
        self._db = db


def method(fn: Callable[Concatenate[Connection, P], T]) -> Callable[Concatenate[Connected, P], T]:
    """`fn(db, ...)` as a method, with its docstring; `db` is the object's connection."""

    @functools.wraps(fn)
    def bound(connected: Connected, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return fn(connected._db, *args, **kwargs)  # noqa: SLF001 - a method of its class

    return bound
