"""Which adapter a model's name means, and that it stays in memory for as long as it answers a client of the endpoint.

Two slots of the bank are not for clients: the adapter in use has one, and the next promotion needs another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.api.bodies import BASE, CURRENT
from bot.api.errors import EngineUnavailable, ModelNotFound
from bot.training.held_adapters import HeldAdapters, NoPlace
from model.protocol import IN_USE, ChatEngine, InUse
from storage.adapter_errors import AdapterDamaged
from storage.async_store import AsyncStore
from storage.run_records import Adapter
from storage.store import Store

__all__ = ["KEPT_FREE", "NamedAdapters"]

KEPT_FREE = 2
"""Slots that clients do not get."""


class NamedAdapters:
    """One for an endpoint. `held` are the adapters in the engine's memory."""

    def __init__(self, engine: ChatEngine, store: AsyncStore, held: HeldAdapters) -> None:
        self._engine, self._store, self._held = engine, store, held

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
        listed = {one.id: one for one in await self.listed()}
        await self._held.drop_others(listed)
        if name not in listed:
            raise ModelNotFound(name)
        if name == self._engine.adapter:
            yield name
            return
        try:
            async with self._held.holding(listed[name], wait=False):
                yield name
        except NoPlace as error:
            raise _unavailable(error) from error
        except AdapterDamaged as error:
            raise ModelNotFound(name) from error

    async def drop_retired(self) -> None:
        """Let those go that were retired, as when somebody in their pairs was forgotten."""
        if self._held.any:
            await self._held.drop_others({one.id for one in await self.listed()})


def _unavailable(error: NoPlace) -> EngineUnavailable:
    if not error.places:
        return EngineUnavailable(
            f"Only {CURRENT!r} and {BASE!r} can be used: for others, raise [model] adapter_slots to 3 or more."
        )
    return EngineUnavailable(f"{error.places} other adapters are answering: try again, or raise [model] adapter_slots.")
