"""The adapters that are held in the engine's memory beside the one in use: for servers' own voices and for clients.

Where all places are taken, the adapter that was asked for longest ago is unloaded for a new one; one that is answering
never is. Who may wait does so until one has ended its replies. A new one is loaded beside the replies of all others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

from model.errors import AdapterNotLoaded, ModelError
from model.protocol import AdapterEngine, AdapterRef, ChatEngine
from storage.adapter_errors import AdapterDamaged, AdapterMissing
from storage.errors import StorageError
from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Adapter

__all__ = ["HeldAdapters", "NoPlace", "verified"]


class NoPlace(Exception):
    """All of so many places are taken by adapters that are answering; 0: this engine has only the one in use."""

    def __init__(self, places: int) -> None:
        super().__init__(f"all of {places} places for adapters are taken")
        self.places = places


class HeldAdapters:
    """One for an engine. `places` are the slots of its bank that may be taken."""

    def __init__(self, engine: ChatEngine, directory: AdapterDirectory, places: int) -> None:
        self._engine, self._directory = engine, directory
        self._most = max(0, places) if isinstance(engine, AdapterEngine) else 0
        self._loaded: list[str] = []  # the one asked for longest ago first
        self._lost: set[str] = set()  # of these, those that the engine turned out not to have
        self._answering: Counter[str] = Counter()
        self._changing = asyncio.Lock()
        self._leaving: str | None = None  # gets no new replies, so that its place is free when its last one ends
        self._ended = asyncio.Event()

    @asynccontextmanager
    async def holding(self, adapter: Adapter, *, wait: bool) -> AsyncIterator[None]:
        """The engine's `submit` may be given this adapter's id while inside.

        Raises:
            NoPlace: there is none now, and nobody waits for one.
            AdapterDamaged: its files are not as they were published.
            ModelError: the engine cannot load it.
        """
        await self._hold(adapter, wait=wait)
        try:
            yield
        except AdapterNotLoaded:  # the engine was started again without it
            self._lost.add(adapter.id)
            raise
        finally:
            self._answering[adapter.id] -= 1
            if not self._answering[adapter.id]:
                self._ended.set()

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return bool(self._loaded)

    async def drop_others(self, listed: Collection[str]) -> None:
        """Let those go that are not among these and do not answer, as when they were retired."""
        if any(one not in listed for one in self._loaded):
            async with self._changing:
                for name in [one for one in self._loaded if one not in listed and not self._answering[one]]:
                    await self._unload(name)

    async def _hold(self, adapter: Adapter, *, wait: bool) -> None:
        name = adapter.id
        if name not in self._loaded or name in self._lost or name == self._leaving:
            async with self._changing:  # who waits for a place goes first
                if name not in self._loaded:
                    await self._make_room(wait=wait)
                    self._loaded.append(name)
                    self._lost.add(name)
                if name in self._lost:
                    await self._load(adapter)
                self._answering[name] += 1
        else:
            self._answering[name] += 1
        self._loaded.remove(name)
        self._loaded.append(name)

    async def _load(self, adapter: Adapter) -> None:
        """Who goes away meanwhile leaves it as lost: the engine may have it by then, or not."""
        assert isinstance(self._engine, AdapterEngine)  # noqa: S101  (or there is no place)
        try:
            await self._engine.load(await verified(self._directory, adapter))
        except (ModelError, StorageError):
            self._loaded.remove(adapter.id)
            raise
        self._lost.discard(adapter.id)

    async def _make_room(self, *, wait: bool) -> None:
        if not self._most:
            raise NoPlace(0)
        try:
            while len(self._loaded) >= self._most:
                idle = next((one for one in self._loaded if not self._answering[one]), None)
                if idle is not None:
                    await self._unload(idle)
                    continue
                if not wait:
                    raise NoPlace(self._most)
                self._leaving = self._loaded[0]
                self._ended.clear()
                await self._ended.wait()
        finally:
            self._leaving = None

    async def _unload(self, name: str) -> None:
        """Raises ModelError where the engine may have it still; the next look tries again."""
        self._lost.add(name)  # who asks for it meanwhile waits, and has it loaded again
        if isinstance(self._engine, AdapterEngine):
            with suppress(AdapterNotLoaded):  # the engine was started again, without it
                await self._engine.unload(name)
        self._loaded.remove(name)
        self._lost.discard(name)


async def verified(directory: AdapterDirectory, adapter: Adapter) -> AdapterRef:
    """An adapter whose files are as they were published. Raises AdapterDamaged."""
    try:
        await asyncio.to_thread(directory.verify, adapter.id, adapter.manifest)
    except AdapterMissing as error:
        raise AdapterDamaged(adapter.id, "its files are gone") from error
    return AdapterRef(adapter.id, directory.path(adapter.id))
