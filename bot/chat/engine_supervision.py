"""Keeps the engine running: restarts it when it fails, a few times at most, and tells the operator.

Knows an engine by three methods and nothing of models or Discord. An engine without them (a remote
one, a test's) is not supervised.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from bot.errors import EngineLost
from bot.i18n.en import texts
from model.errors import AdapterMismatch, EngineClosed, EngineFailed, ModelError
from model.protocol import ChatEngine

__all__ = ["EngineSupervisor", "Restartable", "wake"]

_log = logging.getLogger(__name__)
T = TypeVar("T")
Announce = Callable[[Callable[[], str]], Awaitable[object]]

_PAUSES = (0.0, 10.0, 60.0)  # seconds before each attempt to start again
_WAKING = (2.0, 5.0, 15.0, 60.0)  # seconds before each further attempt to wake
_MOST_RESTARTS, _WITHIN_S = 3, 3600.0


@runtime_checkable
class Restartable(Protocol):
    """An engine that may fail as a whole and be started again; `model.engine.Engine` is one."""

    async def failed(self) -> EngineFailed: ...

    async def restart(self) -> None: ...

    def mark_failed(self, why: str) -> None: ...


class EngineSupervisor:
    """Watches one engine from `start` to `stop`; `guard` ends what runs meanwhile when the engine is lost."""

    def __init__(
        self,
        engine: ChatEngine,
        announce: Announce,
        *,
        restarted: Callable[[], Awaitable[Any]],
        pauses: Sequence[float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._announce, self._restarted = engine, announce, restarted
        self._pauses, self._clock = _PAUSES if pauses is None else pauses, clock
        self._restarts: deque[float] = deque()
        self._task: asyncio.Task[EngineLost] | None = None

    def start(self) -> None:
        """Start watching."""
        if isinstance(self._engine, Restartable):
            self._task = asyncio.create_task(self._watch(self._engine), name="engine supervisor")

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end. Stops it and raises EngineLost when the engine cannot be started again."""
        task, lost = asyncio.ensure_future(work), self._task
        try:
            done, _ = await asyncio.wait({task, lost} if lost else {task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if task not in done and lost is not None and not lost.cancelled():
            raise lost.result()
        return task.result()

    async def _watch(self, engine: Restartable) -> EngineLost:
        while True:
            failure: ModelError = await engine.failed()
            _log.error("%s", failure)
            sentence = str(failure)
            await self._tell(lambda said=sentence: texts.engine_failed(said))  # type: ignore[misc]  # bound now
            if self._too_often() or (last := await self._started_again(engine)) is not None:
                reason = str(failure if self._too_often() else last)
                await self._tell(lambda said=reason: texts.engine_lost(said))  # type: ignore[misc]
                return EngineLost(reason)
            self._restarts.append(self._clock())
            await self._tell(lambda: texts.ENGINE_BACK)
            await self._follow_up()

    def _too_often(self) -> bool:
        while self._restarts and self._restarts[0] < self._clock() - _WITHIN_S:
            self._restarts.popleft()
        return len(self._restarts) >= _MOST_RESTARTS

    async def _started_again(self, engine: Restartable) -> ModelError | None:
        """Start it again; why the last attempt failed, None when it works."""
        last: ModelError | None = None
        for pause in self._pauses:
            await asyncio.sleep(pause)
            try:
                await engine.restart()
            except ModelError as error:
                _log.exception("The engine could not be started again")
                last = error
            except Exception as error:  # noqa: BLE001 - counts as an attempt, whatever it was
                _log.exception("The engine could not be started again")
                last = EngineFailed(type(error).__name__)
            else:
                return None
        return last

    async def _follow_up(self) -> None:
        try:
            await self._restarted()
        except Exception:  # noqa: BLE001 - the engine works, and is watched on
            _log.exception("What follows a restart of the engine failed")

    async def _tell(self, text: Callable[[], str]) -> None:
        """Announce; that Discord fails too is no reason not to start the engine again."""
        try:
            await self._announce(text)
        except Exception:  # noqa: BLE001 - as the docstring says
            _log.exception("The state of the engine could not be announced")


async def wake(engine: ChatEngine, *, pauses: Sequence[float] = _WAKING) -> None:
    """Wake an engine, again after each pause while it fails; one that cannot be woken is given up and restarted.

    An adapter that can no longer be read is taken off: the base model answers, and the operator
    is told.
    """
    why = ""
    for pause in (0.0, *pauses):
        await asyncio.sleep(pause)
        try:
            await engine.wake()
        except (EngineClosed, EngineFailed):
            return  # handled by the code that closed or watches it
        except AdapterMismatch as error:
            _log.error("%s The base model answers.", error)
            why = str(error)
            await engine.swap(None)
        except ModelError as error:
            _log.error("The engine cannot be woken: %s", error)
            why = str(error)
        else:
            return
    if isinstance(engine, Restartable):
        engine.mark_failed(why)
