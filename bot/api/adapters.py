"""Which adapter a model's name means, and the adapters that are held in memory for clients of the endpoint.

Two slots of the bank are not for clients: the adapter in use has one, and the next promotion needs another. Where all
others are taken, the adapter that was asked for longest ago is unloaded for a new one; one that is answering never is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bot.api.bodies import BASE, CURRENT
from bot.api.errors import EngineUnavailable, ModelNotFound
from model.errors import AdapterNotLoaded, ModelError
from model.protocol import IN_USE, AdapterEngine, AdapterRef, ChatEngine, InUse
from storage.adapter_errors import AdapterDamaged, AdapterMissing
from storage.async_store import AsyncStore
from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Adapter
from storage.store import Store

__all__ = ["NamedAdapters"]

_KEPT_FREE = 2


class NamedAdapters:
    """One for an endpoint. `slots` are those of the engine's bank."""

    def __init__(self, engine: ChatEngine, store: AsyncStore, directory: AdapterDirectory, slots: int) -> None:
        self._engine, self._store, self._directory = engine, store, directory
        self._most = max(0, slots - _KEPT_FREE) if isinstance(engine, AdapterEngine) else 0
        self._loaded: list[str] = []  # the one asked for longest ago first
        self._lost: set[str] = set()  # of these, those that the engine turned out not to have
        self._answering: Counter[str] = Counter()
        self._changing = asyncio.Lock()

    async def listed(self) -> list[Adapter]:
        """The adapters that may be named: made for this base, and not retired."""
        every = await self._store.call(Store.adapters)
        return [one for one in every if one.retired_at is None and one.base_model == self._engine.base_id]

    @asynccontextmanager
    async def using(self, name: str) -> AsyncIterator[str | InUse | None]:
        """What to give the engine's `submit` for a model's name; it stays in memory while inside.

        Raises:
            ModelNotFound: there is none of this name.
            EngineUnavailable: there is no place for it in memory now.
            ModelError: the engine cannot load it.
        """
        if name in {CURRENT, BASE}:
            yield IN_USE if name == CURRENT else None
            return
        await self._hold(name)
        try:
            yield name
        except AdapterNotLoaded:  # it was in use, or the engine was started again without it
            self._lost.add(name)
            raise
        finally:
            self._answering[name] -= 1

    async def drop_retired(self) -> None:
        """Let those go that were retired, as when somebody in their pairs was forgotten."""
        if self._loaded:
            async with self._changing:
                await self._drop_unlisted({one.id for one in await self.listed()})

    async def _hold(self, name: str) -> None:
        async with self._changing:
            listed = {one.id: one for one in await self.listed()}
            await self._drop_unlisted(set(listed))
            if name not in listed:
                raise ModelNotFound(name)
            if name in self._loaded:
                self._loaded.remove(name)
                self._loaded.append(name)
            elif name != self._engine.adapter:
                await self._make_room()
                self._loaded.append(name)
                self._lost.add(name)
            if name in self._loaded and name in self._lost:
                await self._load(listed[name])
            self._answering[name] += 1

    async def _load(self, adapter: Adapter) -> None:
        """A client that goes away meanwhile leaves it as lost: the engine may have it by then, or not."""
        engine = self._engine
        if not isinstance(engine, AdapterEngine):
            raise EngineUnavailable(f"This engine answers as {CURRENT!r} alone.")
        try:
            await engine.load(await self._verified(adapter))
        except (ModelError, ModelNotFound):
            self._loaded.remove(adapter.id)
            raise
        self._lost.discard(adapter.id)

    async def _make_room(self) -> None:
        """Raises EngineUnavailable."""
        if not self._most:
            raise EngineUnavailable(
                f"Only {CURRENT!r} and {BASE!r} can be used: for others, raise [model] adapter_slots to 3 or more."
            )
        while len(self._loaded) >= self._most:
            idle = next((one for one in self._loaded if not self._answering[one]), None)
            if idle is None:
                raise EngineUnavailable(
                    f"{self._most} other adapters are answering: try again, or raise [model] adapter_slots."
                )
            await self._unload(idle)

    async def _drop_unlisted(self, listed: set[str]) -> None:
        for name in [one for one in self._loaded if one not in listed and not self._answering[one]]:
            await self._unload(name)

    async def _unload(self, name: str) -> None:
        """Raises ModelError where the engine may have it still; the next look tries again."""
        if isinstance(self._engine, AdapterEngine):
            with suppress(AdapterNotLoaded):  # the engine was started again, without it
                await self._engine.unload(name)
        self._loaded.remove(name)

    async def _verified(self, adapter: Adapter) -> AdapterRef:
        """The adapter, its files as they were published. Raises ModelNotFound."""
        try:
            await asyncio.to_thread(self._directory.verify, adapter.id, adapter.manifest)
        except (AdapterMissing, AdapterDamaged) as error:
            raise ModelNotFound(adapter.id) from error
        return AdapterRef(adapter.id, self._directory.path(adapter.id))
