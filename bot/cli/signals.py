"""How a command that takes long is ended: Ctrl-C and SIGTERM let it close what it opened."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["until_stopped"]

T = TypeVar("T")


def until_stopped(work: Coroutine[Any, Any, T]) -> T | None:
    """Run `work` to its end and give its result; None if a signal cancelled it first."""

    async def supervised() -> T | None:
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    return asyncio.run(supervised())
