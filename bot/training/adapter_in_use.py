"""The adapter that the bot answers with: the store's champion, or one that a moderator chooses.

An adapter's files are checked before it is loaded, and it is loaded before it is written down as champion.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot.errors import Refused
from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.training.held_adapters import verified
from bot.training.reasons import reason_of_run
from model.errors import AdapterMismatch, EngineClosed, EngineFailed, ModelError, OutOfMemory
from model.protocol import AdapterRef, ChatEngine, SwapReport
from storage.adapter_errors import AdapterRetired
from storage.async_store import AsyncStore
from storage.audit_records import Act
from storage.errors import StorageError
from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Promotion, Run
from storage.store import Store

__all__ = ["AdapterInUse", "run_of", "said", "why_not", "written"]

_log = logging.getLogger(__name__)


class AdapterInUse:
    """One for a bot.

    Args:
        engine: what answers.
        store: knows the champion.
        directory: the adapters' files.
        announce: tells the review channels; returns whether the bot is on a server at all.
        swapped: told of every change of the adapter in use.
    """

    def __init__(
        self,
        engine: ChatEngine,
        store: AsyncStore,
        directory: AdapterDirectory,
        announce: Callable[[Callable[[], str]], Awaitable[bool]],
        swapped: Callable[[SwapReport], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._store = store
        self._directory = directory
        self._announce = announce
        self._swapped = swapped
        self._swapping = asyncio.Lock()
        self._refused_promotion: int | None = None

    async def sync(self) -> SwapReport | None:
        """Answer with the store's champion from now on, and tell the review channels if that is a change.

        An adapter that cannot be used is announced once, and the one in use stays. It is tried again when a new
        promotion names it.
        """
        async with self._swapping:
            champion, promotion = await self._store.call(_champion)
            if champion == self._engine.adapter or promotion == self._refused_promotion:
                return None
            try:
                report = await self._engine.swap(await self._verified(champion))
            except (EngineFailed, EngineClosed, OutOfMemory) as error:  # not the adapter's fault: tried again
                _log.error("The champion %s cannot be used now: %s", champion, error)
                return None
            except (StorageError, ModelError) as error:
                _log.error("The champion %s cannot be used: %s", champion, error)
                why, answering = why_not(error), self._engine.adapter
                if await self._announce(lambda: texts.adapter_refused(champion, why, answering)):
                    self._refused_promotion = promotion  # else it is tried again when there is somebody to tell
                return None
            self._swapped(report)
            _log.info("%s answers from now on (%.0f ms)", champion or "the base model", report.pause_s * 1000)
            if history := await self._store.call(Store.promotions):
                latest, pause_ms = history[-1], report.pause_s * 1000
                run = await self._store.call(run_of, latest)
                await self._announce(lambda: texts.adapter_changed(champion, latest.kind, said(latest, run), pause_ms))
            return report

    async def use(self, adapter: str | None, *, actor: str, reason: str, act: Act | None = None) -> None:
        """Answer with an adapter (None: the base model) from now on and make it champion; `act` goes into the audit.

        Raises:
            AdapterMissing, AdapterRetired, AdapterDamaged: it cannot be used. The one in use stays.
            Refused: the engine does not take it. The one in use stays.
        """
        await self._choose(
            adapter, lambda store: store.promote(adapter, kind="use", actor=actor, reason=reason), lambda: act
        )

    async def rollback(self, *, actor: str, reason: str, act: Callable[[str | None], Act] | None = None) -> str | None:
        """Go back to the adapter before this one; returns its id. Raises NothingToRollBack and what `use` raises."""
        adapter = await self._store.call(Store.champion_before)
        await self._choose(
            adapter,
            lambda store: store.rollback(actor=actor, reason=reason, to=adapter),
            lambda: act(adapter) if act else None,
        )
        return adapter

    async def _choose(
        self, adapter: str | None, write: Callable[[Store], Promotion], act: Callable[[], Act | None]
    ) -> None:
        """Load an adapter, then write the choice down. An adapter that cannot be loaded never becomes champion."""
        async with self._swapping:
            ref = await self._usable(adapter)
            before = self._engine.adapter
            try:
                report = await self._engine.swap(ref)
            except ModelError as error:
                _log.warning("The adapter %s that was chosen cannot be used: %s", adapter, error)
                raise Refused(words.not_loaded(adapter)) from error
            try:
                made = await self._store.call(written, write, act())
            except BaseException:
                await self._engine.swap(await self._verified(before))
                raise
        self._swapped(report)
        if adapter != before:
            await self._announce(lambda: texts.adapter_changed(adapter, made.kind, made.reason, report.pause_s * 1000))

    async def _usable(self, adapter: str | None) -> AdapterRef | None:
        """An adapter that may be chosen. Raises AdapterMissing, AdapterRetired, AdapterDamaged."""
        if adapter is not None and (await self._store.call(Store.adapter, adapter)).retired_at is not None:
            raise AdapterRetired(adapter)
        return await self._verified(adapter)

    async def _verified(self, adapter: str | None) -> AdapterRef | None:
        """An adapter whose files are as they were published. Raises AdapterMissing, AdapterDamaged."""
        if adapter is None:
            return None
        return await verified(self._directory, await self._store.call(Store.adapter, adapter))


def why_not(error: StorageError | ModelError) -> str:
    """What is the matter with an adapter; who answers instead is said beside it."""
    return f"{error.why[:1].upper()}{error.why[1:]}." if isinstance(error, AdapterMismatch) else str(error)


def written(store: Store, write: Callable[[Store], Promotion], act: Act | None) -> Promotion:
    """A choice written down, with `act` in the audit."""
    return write(store) if act is None else store.act(write, lambda _: act)


def _champion(store: Store) -> tuple[str | None, int]:
    return store.champion(), store.last_promotion_id()


def run_of(store: Store, promotion: Promotion) -> Run | None:
    """The run whose verdict a promotion carries out."""
    if promotion.kind != "gate" or promotion.adapter is None:
        return None
    try:
        run = store.run(store.adapter(promotion.adapter).run_id or "")
    except StorageError:
        return None
    return run if run.reason == promotion.reason else None


def said(promotion: Promotion, run: Run | None) -> str:
    """Why the adapter was changed, in the reader's language."""
    return reason_of_run(run) if run is not None else promotion.reason
