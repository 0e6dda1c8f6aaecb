"""A command to the worker: a function to run on its thread, whose result an event loop waits for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from model.adapter.bank import Turn
from model.errors import EngineFailed, ModelError

__all__ = ["Command"]


@dataclass
class Command:
    """Something to do on the worker's thread, between two steps.

    Attributes:
        run: what.
        turn: when. It is asked again before each step, and not while no reply is being made: then it is always now.
        done: its result, a future of `loop`.
    """

    run: Callable[[], Any]
    turn: Callable[[], Turn]
    done: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop

    def execute(self) -> None:
        """Run it and tell the result. An error that is no ModelError is told as EngineFailed and raised."""
        try:
            result = self.run()
        except ModelError as error:
            self.resolve(error=error)
        except BaseException as error:
            self.resolve(error=EngineFailed(type(error).__name__))
            raise
        else:
            self.resolve(result)

    def resolve(self, result: Any = None, error: Exception | None = None) -> None:
        """Tell the waiting caller, from any thread."""

        def tell() -> None:
            if self.done.done():
                return
            if error is None:
                self.done.set_result(result)
            else:
                self.done.set_exception(error)

        with contextlib.suppress(RuntimeError):  # the loop is closed, and with it the waiting caller
            self.loop.call_soon_threadsafe(tell)
