"""The bot's door to the store: one writer thread, so that the event loop never waits for a disk.

Knows asyncio and the store, nothing of what is asked of it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import GeneratorType, TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from storage.errors import StoreClosed
from storage.faults import foreseen
from storage.store import Store

P = ParamSpec("P")
T = TypeVar("T")


class AsyncStore:
    """`store = await AsyncStore.open(path)`, then `await store.call(Store.add_reply, new)`."""

    def __init__(self, thread: ThreadPoolExecutor, store: Store) -> None:
        self._thread = thread
        self._store = store
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
        return cls(thread, store)

    async def call(self, fn: Callable[Concatenate[Store, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(store, ...)` on the writer thread; calls run one after the other, in the order they came.

        A call that was made is carried out even if the caller is cancelled meanwhile: no reply is lost to a
        shutdown. An iterator cannot leave the thread: pass a function that makes a list of it.

        Raises:
            StoreClosed: `close` has been called.
            DiskFull, DatabaseBusy, DatabaseDamaged, DatabaseUnwritable: the disk or the database failed.
            Exception: whatever `fn` raises.
        """
        if self._closed:
            raise StoreClosed

        def work() -> T:
            try:
                result = fn(self._store, *args, **kwargs)
            except (sqlite3.Error, OSError) as error:
                if (known := foreseen(error)) is not None:
                    raise known from error
                raise
            if isinstance(result, GeneratorType):
                raise TypeError("rows are read on the store's thread: pass a function that makes a list of them")
            return result

        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    async def close(self) -> None:
        """Finish what has been asked, then close. Twice is as once."""
        if self._closed:
            return
        self._closed = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        self._thread.shutdown(wait=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
