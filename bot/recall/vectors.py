"""The vectors of the store in memory, and the embedder, on a thread of their own.

One index for each server and kind, so that no search ever compares across servers. An index follows the store: it looks
at a number that grows with each change, and then takes in and throws out what changed.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from model.config import MemoryConfig
from model.errors import ModelError
from storage.async_store import AsyncStore
from storage.store import Store

if TYPE_CHECKING:
    from model.embedder import Embedder
    from model.vector_index import VectorIndex

__all__ = ["Scope", "Vectors"]

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Scope:
    """One index: the documents of a server, or its approved replies. Server 0: those that belong to none."""

    guild_id: int
    documents: bool


@dataclass
class _Held:
    index: VectorIndex
    version: int = 0


class Vectors:
    """`cosines` compares a question with everything of some scopes. Without an embedder it finds nothing."""

    def __init__(self, store: AsyncStore, config: MemoryConfig) -> None:
        self._store = store
        self._config = config
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recall")
        self._held: dict[Scope, _Held] = {}
        self._embedder: Embedder | None = None
        self._loading: asyncio.Task[None] | None = None
        self._closed = self._failed = False

    @property
    def wanted(self) -> bool:
        """Whether there is an embedder by the settings and it has not failed."""
        return self._config.embedder != "none" and not self._failed

    @property
    def ready(self) -> bool:
        """Whether the embedder is loaded."""
        return self._embedder is not None

    def load_soon(self) -> None:
        """Begin to load the embedder, once; until it is there, words alone are compared."""
        if self.wanted and self._loading is None and not self._closed:
            self._loading = asyncio.ensure_future(self._load())

    async def load(self) -> None:
        """Load the embedder now, if there is one."""
        self.load_soon()
        if self._loading is not None:
            await asyncio.shield(self._loading)

    async def embed(self, limit: int) -> bool:
        """Give vectors to up to `limit` entries that have none; returns whether there were as many."""
        if self._embedder is None:
            return False
        embedder = self._embedder
        waiting = await self._store.read(Store.unembedded, limit)
        if not waiting:
            return False
        made = await self._on_thread(_packed, embedder, [text for _, text in waiting])
        rows = [(number, vector) for (number, _), vector in zip(waiting, made, strict=True)]
        await self._store.call(Store.put_vectors, embedder.name, rows)
        return len(waiting) == limit

    async def cosines(self, question: str, scopes: Sequence[Scope], limit: int) -> dict[Scope, list[tuple[int, float]]]:
        """For each scope the entries nearest to a question, with their cosines, the nearest first."""
        if self._embedder is None:
            return {}
        for scope in scopes:
            await self._follow(scope)
        held = {scope: self._held[scope].index for scope in scopes if scope in self._held}
        if not any(map(len, held.values())):
            return {}
        return await self._on_thread(_search, self._embedder, question, held, limit)

    async def close(self) -> None:
        """Let go of the thread."""
        self._closed = True
        if self._loading is not None:
            await asyncio.gather(self._loading, return_exceptions=True)
        self._thread.shutdown(wait=True)

    async def _load(self) -> None:
        try:
            embedder = await self._on_thread(_loaded_here, self._config)
        except ModelError as error:
            self._failed = True
            _log.warning("Answers and documents are compared by their words alone: %s", error)
            return
        if embedder is not None:
            await self._store.call(Store.use_recall_model, embedder.name)
            self._embedder = embedder

    async def _follow(self, scope: Scope) -> None:
        version = await self._store.read(Store.vectors_version, scope.guild_id, documents=scope.documents)
        held = self._held.get(scope)
        if version == (held.version if held is not None else 0):
            return
        known = held.index.ids if held is not None else set()
        there, rows = await self._store.read(_changes, scope, known)
        self._held[scope] = await self._on_thread(_taken_in, self._embedder, held, there, rows, version)

    async def _on_thread(self, fn: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, functools.partial(fn, *args))


def _changes(store: Store, scope: Scope, known: set[int]) -> tuple[set[int], list[tuple[int, bytes]]]:
    there = store.vector_ids(scope.guild_id, documents=scope.documents)
    return set(there), store.vectors([number for number in there if number not in known])


def _loaded_here(config: MemoryConfig) -> Embedder | None:
    """The embedder; this thread keeps to one core, since a product of a vector is over before two threads have met."""
    import torch

    embedder = _loaded(config)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with ThreadPoolExecutor(1) as other:  # the call above counts for threads yet to come, too; this one not for here
        other.submit(torch.set_num_threads, before).result()
    return embedder


@functools.lru_cache(maxsize=2)
def _loaded(config: MemoryConfig) -> Embedder | None:
    """One for all clients of a process."""
    from model.embedder import load_embedder

    return load_embedder(config)


def _packed(embedder: Embedder, texts: list[str]) -> list[bytes]:
    from model.vector_index import packed

    return packed(embedder.embed_documents(texts))


def _taken_in(
    embedder: Embedder, held: _Held | None, there: set[int], rows: list[tuple[int, bytes]], version: int
) -> _Held:
    from model.vector_index import VectorIndex

    index = held.index if held is not None else VectorIndex(embedder.dimensions)
    index.remove(index.ids - there)
    index.add(rows)
    return _Held(index, version)


def _search(
    embedder: Embedder, question: str, held: dict[Scope, VectorIndex], limit: int
) -> dict[Scope, list[tuple[int, float]]]:
    vector = embedder.embed_queries([question])[0]
    return {scope: index.search(vector, limit) for scope, index in held.items()}
