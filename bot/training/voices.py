"""Which adapter answers on which server, where each has a voice of its own.

A server's champion is asked of the store for each answer, so that what was retired answers nothing more. It is loaded
before it answers, and before a moderator's choice is written down; one that cannot be loaded leaves the server with the
adapter before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.training.adapter_in_use import run_of, said, why_not, written
from bot.training.held_adapters import HeldAdapters
from model.errors import EngineClosed, EngineFailed, ModelError
from model.protocol import IN_USE, InUse
from storage.adapter_errors import AdapterMissing, AdapterRetired
from storage.async_store import AsyncStore
from storage.audit_records import Act
from storage.errors import StorageError
from storage.run_records import Adapter, Promotion
from storage.store import Store

__all__ = ["ServerVoices"]

_log = logging.getLogger(__name__)


class ServerVoices:
    """One for a bot.

    Args:
        held: the adapters in the engine's memory.
        store: knows the champions.
        announce: tells the review channel of one server.
        serves: whether a server is answered by this process.
    """

    def __init__(
        self,
        held: HeldAdapters,
        store: AsyncStore,
        announce: Callable[[int, Callable[[], str]], Awaitable[bool]],
        serves: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self._held, self._store, self._announce, self._serves = held, store, announce, serves
        self._choosing = asyncio.Lock()
        self._answers: dict[int, str] = {}  # server -> the adapter that answered there last
        self._refused: set[tuple[int, str]] = set()  # of which a server was told
        self._seen: int | None = None  # the last promotion that was looked at
        self._told: set[int] = set()  # later ones that servers were told of

    @asynccontextmanager
    async def answering(self, guild_id: int | None) -> AsyncIterator[str | InUse | None]:
        """What to give the engine's `submit` for a server (None: direct messages); it stays in memory while inside.

        Raises EngineFailed or EngineClosed.
        """
        if guild_id is None:
            yield IN_USE
            return
        champion = await self._store.call(_champion, guild_id)
        async with AsyncExitStack() as stack:
            yield await self._first_that_loads(stack, guild_id, champion)

    async def look(self) -> list[int]:
        """Load what was promoted elsewhere, and tell its server; returns the servers that were told."""
        if self._seen is None:
            self._seen = await self._store.call(Store.last_promotion_id)
        changed: list[Promotion] = await self._store.call(Store.voices_changed_since, self._seen)
        latest = {one.guild_id: one for one in changed if one.guild_id is not None and self._serves(one.guild_id)}
        told = []
        for guild_id, promotion in latest.items():
            if promotion.id not in self._told and await self._changed(guild_id, promotion):
                told.append(guild_id)
        self._seen = max([self._seen, *(one.id for one in changed)])
        self._told = {one for one in self._told if one > self._seen}
        if changed:
            await self._held.drop_others(await self._store.call(_not_retired))
        return told

    async def use(self, guild_id: int, adapter: str | None, *, actor: str, reason: str, act: Act | None = None) -> None:
        """Make an adapter of a server's own (None: the base model) its champion; `act` goes into the audit.

        Raises:
            AdapterMissing, AdapterRetired, AdapterDamaged: it cannot be used. The one in use stays.
            Refused: the engine does not take it. The one in use stays.
        """
        await self._choose(
            guild_id,
            adapter,
            lambda store: store.promote(adapter, kind="use", actor=actor, reason=reason, guild_id=guild_id),
            lambda: act,
        )

    async def rollback(
        self, guild_id: int, *, actor: str, reason: str, act: Callable[[str | None], Act] | None = None
    ) -> str | None:
        """Go back to the adapter before this one; returns its id. Raises NothingToRollBack and what `use` raises."""
        adapter: str | None = await self._store.call(Store.champion_before, guild_id)
        await self._choose(
            guild_id,
            adapter,
            lambda store: store.rollback(actor=actor, reason=reason, to=adapter, guild_id=guild_id),
            lambda: act(adapter) if act else None,
        )
        return adapter

    async def _choose(
        self, guild_id: int, adapter: str | None, write: Callable[[Store], Promotion], act: Callable[[], Act | None]
    ) -> None:
        """Load an adapter, then write the choice down. An adapter that cannot be loaded never becomes champion."""
        async with self._choosing, AsyncExitStack() as stack:
            before = await self._store.call(Store.champion, guild_id)
            if adapter is not None:
                row = await self._store.call(_usable, guild_id, adapter)
                try:
                    await stack.enter_async_context(self._held.holding(row, wait=True))
                except ModelError as error:
                    _log.warning("The adapter %s that was chosen cannot be used: %s", adapter, error)
                    raise Refused(words.not_loaded(adapter)) from error
            made = await self._store.call(written, write, act())
            self._told.add(made.id)
            self._refused.discard((guild_id, adapter or ""))
        if adapter != before:
            await self._announce(guild_id, lambda: texts.voice_changed(adapter, made.kind, made.reason))

    async def _first_that_loads(self, stack: AsyncExitStack, guild_id: int, champion: Adapter | None) -> str | None:
        """The champion, or the one that answered last, or the bare base."""
        if champion is None:
            self._answers.pop(guild_id, None)
            return None
        if await self._enter(stack, guild_id, champion):
            self._answers[guild_id] = champion.id
            return champion.id
        last = self._answers.get(guild_id)
        if last is not None and last != champion.id:
            try:
                row = await self._store.call(_usable, guild_id, last)
            except StorageError:
                return None
            if await self._enter(stack, guild_id, row):
                return last
        return None

    async def _enter(self, stack: AsyncExitStack, guild_id: int, adapter: Adapter) -> bool:
        """Hold an adapter; False where it cannot be loaded, of which the server is told once."""
        try:
            await stack.enter_async_context(self._held.holding(adapter, wait=True))
        except (EngineFailed, EngineClosed):
            raise
        except (ModelError, StorageError) as error:
            _log.error("The adapter %s of server %d cannot be used: %s", adapter.id, guild_id, error)
            if (guild_id, adapter.id) not in self._refused:
                self._refused.add((guild_id, adapter.id))
                why, answers = why_not(error), self._answers.get(guild_id)
                await self._announce(guild_id, partial(texts.adapter_refused, adapter.id, why, answers))
            return False
        return True

    async def _changed(self, guild_id: int, promotion: Promotion) -> bool:
        """Load what a server answers with from now on, and say so there."""
        try:
            async with self.answering(guild_id) as adapter:
                _log.info("%s answers on server %d from now on", adapter or "the base model", guild_id)
        except ModelError as error:  # no fault of the adapter's: it is loaded with the next question
            _log.error("%s", error)
            return False
        if adapter != promotion.adapter or isinstance(adapter, InUse):
            return False
        run = await self._store.call(run_of, promotion)
        reason = said(promotion, run)
        return await self._announce(guild_id, partial(texts.voice_changed, adapter, promotion.kind, reason))


def _champion(store: Store, guild_id: int) -> Adapter | None:
    champion = store.champion(guild_id)
    return None if champion is None else store.adapter(champion)


def _usable(store: Store, guild_id: int, adapter: str) -> Adapter:
    """An adapter that a server may be answered with. Raises AdapterMissing, AdapterRetired."""
    row = store.adapter(adapter)
    if row.guild_id not in {guild_id, None}:
        raise AdapterMissing(adapter)
    if row.retired_at is not None:
        raise AdapterRetired(adapter)
    return row


def _not_retired(store: Store) -> set[str]:
    return {one.id for one in store.adapters() if one.retired_at is None}
