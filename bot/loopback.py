"""HTTP on this machine alone: an application on a port of 127.0.0.1, which no other machine reaches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from bot.errors import PortUnavailable

if TYPE_CHECKING:
    from aiohttp import web

__all__ = ["HOST", "listening"]

HOST = "127.0.0.1"
_SHUTDOWN_S = 1.0


@asynccontextmanager
async def listening(app: web.Application, port: int, where: str) -> AsyncIterator[None]:
    """Serve an application while inside. A client that goes away cancels the handler of its request.

    Args:
        app: what answers.
        port: of this machine.
        where: what sets the port, for the sentence.

    Raises:
        PortUnavailable: another program has the port, or it is not ours to take.
    """
    from aiohttp import web

    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            raise PortUnavailable(where, port, error.strerror or "it cannot be opened") from error
        yield
    finally:
        await runner.cleanup()
