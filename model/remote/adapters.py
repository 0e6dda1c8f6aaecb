"""The adapters that servers should have: the one in use and those beside it. One that is let go is unloaded when idle.

A name on the servers is new for every content, since their prefix caches go by the name. Changes wait for each other.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath

from model.adapter.files import WEIGHTS, BaseIdentity, check_adapter
from model.config import EngineConfig
from model.errors import AdapterMismatch, AdapterNotLoaded
from model.protocol import AdapterRef, InUse
from model.remote.replica import Published
from model.remote.replicas import Replicas

__all__ = ["ServerAdapters"]

_log = logging.getLogger(__name__)


class ServerAdapters:
    """One for an engine."""

    def __init__(self, replicas: Replicas, config: EngineConfig, identity: BaseIdentity) -> None:
        self._replicas, self._config, self._identity = replicas, config, identity
        self.in_use: Published | None = None
        self._kept: dict[str, Published] = {}
        self._answering: Counter[str] = Counter()  # replies being made, by the name on the servers
        self._idle = asyncio.Event()  # set when an adapter's last reply ended
        self._changing = asyncio.Lock()
        self._unloading: set[asyncio.Task[None]] = set()

    @property
    def wanted(self) -> set[Published]:
        """Those that the servers should have."""
        return {*self._kept.values(), *([self.in_use] if self.in_use else [])}

    def named(self, adapter: str | InUse | None) -> Published | None:
        """The adapter for a reply that begins now; None is the bare base. Raises AdapterNotLoaded."""
        if isinstance(adapter, InUse) or (self.in_use and adapter == self.in_use.id):
            return self.in_use
        if adapter is None:
            return None
        if adapter not in self._kept:
            raise AdapterNotLoaded(adapter)
        return self._kept[adapter]

    async def use(self, adapter: AdapterRef | None) -> None:
        """Answer with an adapter from now on. Raises AdapterMismatch, ServerUnavailable, and nothing was changed."""
        async with self._changing:
            new = None if adapter is None else await self._bring(adapter)
            before, self.in_use = self.in_use, new
        self._unload(before)

    async def keep(self, adapter: AdapterRef) -> None:
        """Have one beside the one in use. Raises AdapterMismatch, ServerUnavailable."""
        async with self._changing:
            self._kept[adapter.id] = await self._bring(adapter)

    def let_go(self, adapter: str) -> None:
        """No longer have one beside the one in use. Raises AdapterNotLoaded."""
        if adapter not in self._kept:
            raise AdapterNotLoaded(adapter)
        self._unload(self._kept.pop(adapter))

    @contextmanager
    def answering(self, adapter: Published | None) -> Iterator[None]:
        """While inside, a reply is being made with it, and it is not unloaded."""
        name = adapter.name if adapter else ""
        self._answering[name] += 1
        try:
            yield
        finally:
            self._answering[name] -= 1
            if not self._answering[name]:
                self._idle.set()

    async def look(self) -> None:
        """See which servers can be asked, and give each what it lacks."""
        async with self._changing:
            await self._replicas.look(self.wanted)

    async def close(self) -> None:
        """Unload nothing more."""
        for task in self._unloading:
            task.cancel()
        await asyncio.gather(*self._unloading, return_exceptions=True)

    async def _bring(self, adapter: AdapterRef) -> Published:
        published = await asyncio.to_thread(self._checked, adapter)
        if published not in self.wanted:
            await self._replicas.publish(published)
        return published

    def _checked(self, adapter: AdapterRef) -> Published:
        """An adapter that goes with this base, as the servers will know it. Raises AdapterMismatch."""
        check_adapter(adapter.path, self._identity)
        try:
            with (adapter.path / WEIGHTS).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
        except OSError as error:
            raise AdapterMismatch(adapter.path, "its weights cannot be read") from error
        folder = self._config.adapters
        seen = str(PurePosixPath(folder) / adapter.path.name) if folder else str(adapter.path.resolve())
        return Published(adapter.id, f"{adapter.id}-{digest}", adapter.path, seen)

    def _unload(self, adapter: Published | None) -> None:
        if adapter is not None and adapter not in self.wanted:
            task = asyncio.create_task(self._unload_when_idle(adapter), name=f"unload {adapter.id}")
            self._unloading.add(task)
            task.add_done_callback(self._unloaded)

    async def _unload_when_idle(self, adapter: Published) -> None:
        """After its last reply, unless it is wanted again by then."""
        while self._answering[adapter.name]:
            self._idle.clear()
            await self._idle.wait()
        async with self._changing:
            if adapter not in self.wanted and not self._answering[adapter.name]:
                await self._replicas.withdraw(adapter)

    def _unloaded(self, task: asyncio.Task[None]) -> None:
        self._unloading.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("An adapter could not be unloaded", exc_info=error)
