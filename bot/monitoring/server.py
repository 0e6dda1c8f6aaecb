"""`/metrics`, `/healthz` and `/readyz` over HTTP on this machine. Numbers and sentences, no words of anybody."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from bot.health_file import Health
from bot.loopback import listening
from bot.monitoring.metrics import Metrics
from bot.monitoring.snapshot import Snapshot
from storage.errors import StorageError

__all__ = ["Monitoring"]


class Monitoring:
    """One for a bot. `health` and `snapshot` say how it is at the moment of asking."""

    def __init__(
        self, metrics: Metrics, health: Callable[[], Health], snapshot: Callable[[], Awaitable[Snapshot]]
    ) -> None:
        self._metrics, self._health, self._snapshot = metrics, health, snapshot

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Serve on a port of this machine while inside. Raises PortUnavailable."""
        app = web.Application()
        app.router.add_get("/metrics", self._text)
        app.router.add_get("/healthz", self._healthy)
        app.router.add_get("/readyz", self._ready)
        async with listening(app, port, "port under [metrics]"):
            yield

    async def _text(self, _: web.Request) -> web.Response:
        try:
            now = await self._snapshot()
        except StorageError as error:
            return web.Response(status=503, text=f"{error}\n")
        text, kind = self._metrics.text(now)
        return web.Response(body=text, headers={"Content-Type": kind})

    async def _healthy(self, _: web.Request) -> web.Response:
        return _said("well", self._health().complaint(time.monotonic()))

    async def _ready(self, _: web.Request) -> web.Response:
        return _said("ready", self._health().obstacle(time.monotonic()))


def _said(what: str, complaint: str | None) -> web.Response:
    status = 503 if complaint else 200
    return web.json_response({what: complaint is None, "complaint": complaint}, status=status)
