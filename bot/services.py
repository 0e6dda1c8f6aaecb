"""What a running bot serves over HTTP on this machine, by its settings: the endpoint, and what monitors ask for.

By default it serves neither, and then nothing is counted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from bot.api.endpoint import Endpoint
from bot.api.key import api_key
from bot.health_file import Health
from bot.monitoring.metrics import Metrics
from bot.monitoring.server import Monitoring
from bot.monitoring.snapshot import Snapshot
from bot.settings import Settings
from bot.training.held_adapters import HeldAdapters
from model.protocol import ChatEngine, Completion, SwapReport
from storage.async_store import AsyncStore
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home

__all__ = ["Services"]


class Services:
    """One for a bot. Raises KeyUnusable and MetricsNotInstalled, before anything is opened."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home, self._settings = home, settings
        self._key = api_key(home, settings.api) if settings.api.port else ""
        self._metrics = Metrics() if settings.metrics.port else None
        self.endpoint: Endpoint | None = None

    def observer(self, source: str) -> Callable[[Completion | None], None]:
        """What is told of every finished reply from `source`; None is one that failed."""
        return self._metrics.observer(source) if self._metrics else lambda _: None

    def swapped(self, report: SwapReport) -> None:
        """The adapter in use was changed."""
        if self._metrics:
            self._metrics.swapped(report)

    @asynccontextmanager
    async def serving(
        self,
        engine: ChatEngine,
        store: AsyncStore,
        health: Callable[[], Health],
        snapshot: Callable[[], Awaitable[Snapshot]],
        held: HeldAdapters | None = None,
    ) -> AsyncIterator[None]:
        """Serve while inside. Raises PortUnavailable."""
        settings, directory = self._settings, AdapterDirectory(self._home.adapters)
        async with AsyncExitStack() as stack:
            if self._key:
                observe = self.observer("api")
                self.endpoint = Endpoint(engine, store, directory, settings, self._key, observe=observe, held=held)
                await stack.enter_async_context(self.endpoint.serving(settings.api.port))
            if self._metrics:
                monitoring = Monitoring(self._metrics, health, snapshot)
                await stack.enter_async_context(monitoring.serving(settings.metrics.port))
            yield

    async def look(self) -> None:
        """See what was retired meanwhile."""
        if self.endpoint is not None:
            await self.endpoint.adapters.drop_retired()
