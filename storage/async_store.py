"""The store for the event loop, which never waits for a disk: a thread that writes and a thread that reads.

Knows asyncio and the store, but none of its methods.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import GeneratorType, TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from storage.errors import StoreClosed
from storage.faults import in_own_words
from storage.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class AsyncStore:
    """`store = await AsyncStore.open(path)`, then `await store.call(Store.add_reply, new)`.

    `call` writes, or reads what is quick. `read` only reads and has its own thread and connection, so that no answer
    waits to be stored while a query takes seconds.
    """

    def __init__(self, thread: ThreadPoolExecutor, store: Store, path: Path) -> None:
        self._thread = thread
        self._store = store
        self._path = path
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._reading: Store | None = None  # opened by the first read, on its thread
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the store on a thread of its own. Raises what `Store.open` raises."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        try:
            store = await asyncio.get_running_loop().run_in_executor(thread, Store.open, path)
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(thread, store, path)

    async def call(self, fn: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(store, ...)` on the writer thread; calls run one after the other, in the order they came.

        A call that was made is carried out even if the caller is cancelled meanwhile: no reply is lost to a
        shutdown. An iterator cannot leave the thread: pass a function that makes a list of it.

        Raises:
            StoreClosed: `close` has been called.
            DiskFull, DatabaseBusy, DatabaseDamaged, DatabaseUnwritable: the disk or the database failed.
            Exception: whatever `fn` raises.
        """
        return await self._run(self._thread, lambda: fn(self._store, *args, **kwargs))

    async def read(self, fn: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Like `call`, for what only reads and may take long. It sees all writes that were made before it.

        Raises what `call` raises.
        """
        return await self._run(self._reader, lambda: fn(self._read_store(), *args, **kwargs))

    async def close(self) -> None:
        """Finish what has been asked, then close. A second call changes nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._reader, self._close_reading)
        await loop.run_in_executor(self._thread, self._store.close)
        self._reader.shutdown(wait=True)
        self._thread.shutdown(wait=True)

    async def _run(self, thread: ThreadPoolExecutor, ask: Callable[[], T]) -> T:
        if self._closed:
            raise StoreClosed
        work = functools.partial(_result, ask)
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(thread, work))

    def _read_store(self) -> Store:
        if self._reading is None:
            self._reading = Store.open(self._path)
        return self._reading

    def _close_reading(self) -> None:
        if self._reading is not None:
            self._reading.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _result(ask: Callable[[], T]) -> T:
    """The result of a call on the store's thread; failures of the disk become errors of the store."""
    with in_own_words():
        result = ask()
    if isinstance(result, GeneratorType):
        raise TypeError("rows are read on the store's thread: pass a function that makes a list of them")
    return result
