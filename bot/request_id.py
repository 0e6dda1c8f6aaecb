"""The id of the request that this task answers, for the log: every line that is written on its way carries it.

A request on Discord has the id of the message or interaction that asked. Tasks that a task starts inherit it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["answering", "request_id"]

_answered: ContextVar[str] = ContextVar("request", default="")


def request_id() -> str:
    """The id of the request that is being answered here; "" outside of one."""
    return _answered.get()


@contextmanager
def answering(request: object) -> Iterator[None]:
    """Inside, this task answers that request."""
    token = _answered.set(str(request))
    try:
        yield
    finally:
        _answered.reset(token)
