"""All replicas of one model: which of them makes a reply, and how an adapter comes to one after another."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from model.errors import AdapterMismatch, BaseUnsuitable, GenerationFailed, ModelError, ServerUnavailable
from model.protocol import Sampling
from model.remote.dialect import Prompt
from model.remote.replica import Published, Replica
from model.remote.reply import Reply
from model.remote.server import ModelMissing, ServerTrouble

__all__ = ["Replicas"]

_log = logging.getLogger(__name__)

_TIMES = 2  # that one replica is asked for one reply


class Replicas:
    """At least one."""

    def __init__(self, replicas: Sequence[Replica], context: int) -> None:
        self._replicas, self._context = tuple(replicas), context

    @property
    def up(self) -> list[Replica]:
        """Those that can be asked."""
        return [one for one in self._replicas if not one.why]

    @property
    def context(self) -> int:
        """Longest prompt plus answer that all of them take."""
        return min([self._context, *(one.context for one in self._replicas if one.context)])

    @property
    def failure(self) -> ServerUnavailable | None:
        """Why none can be asked."""
        return None if self.up else ServerUnavailable(self._replicas[0].url, self._replicas[0].why)

    @property
    def urls(self) -> str:
        """Where they are, with what is the matter with each."""
        return ", ".join(f"{one.url} ({one.why})" if one.why else one.url for one in self._replicas)

    @property
    def probabilities(self) -> bool:
        """Whether those that can be asked say how likely their tokens were."""
        return all(one.probabilities for one in self.up)

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(one.server.close() for one in self._replicas))

    async def look(self, wanted: Collection[Published]) -> list[ModelError]:
        """See which can be asked and give them what they lack; says what is wrong with the others."""
        looks = (self._look(one, wanted) for one in self._replicas)
        return [error for error in await asyncio.gather(*looks) if error is not None]

    async def _look(self, replica: Replica, wanted: Collection[Published]) -> ModelError | None:
        try:
            await replica.look(wanted)
        except ModelError as error:
            replica.lost(error)
            return error
        return None

    async def publish(self, adapter: Published) -> None:
        """Let one after another load an adapter; those that cannot be asked get it when they can.

        Raises AdapterMismatch when one refuses it, and no other keeps it; ServerUnavailable when none can be asked.
        """
        given: list[Replica] = []
        for replica in self.up:
            try:
                await replica.give(adapter)
            except ServerUnavailable as error:
                replica.lost(error)
            except BaseException:
                await asyncio.shield(self.withdraw(adapter, [*given, replica]))
                raise
            else:
                given.append(replica)
        if not given:
            raise self.failure or ServerUnavailable(self._replicas[0].url, "it went away")

    async def withdraw(self, adapter: Published, replicas: Iterable[Replica] | None = None) -> None:
        """Let them forget an adapter, one after another."""
        for replica in self.up if replicas is None else replicas:
            await replica.take(adapter)

    async def answer(self, reply: Reply, adapter: Published | None, prompt: Prompt, sampling: Sampling) -> None:
        """Make one reply. Until its first piece, another replica takes over from one that fails.

        One that did not answer is asked once more at the end, since it may only have closed an idle connection; one
        that has lost the adapter, after it was given it again. Raises ServerUnavailable, GenerationFailed.
        """
        tried: Counter[Replica] = Counter()
        errors: dict[Replica, ModelError] = {}
        while (replica := self._pick(adapter, tried)) is not None:
            tried[replica] += 1
            try:
                await self._make(replica, reply, adapter, prompt, sampling)
            except (ServerUnavailable, ServerTrouble, ModelMissing) as error:
                if reply.begun:
                    raise GenerationFailed(error.why) from error
                errors[replica] = error
                if not _worth_another(error, adapter):
                    tried[replica] = _TIMES
            else:
                errors.pop(replica, None)
                self._note(errors)
                return
        self._note(errors)
        last = next(reversed(errors.values()), None)
        raise self.failure or last or ServerUnavailable(self._replicas[0].url, "it went away")

    async def _make(
        self, replica: Replica, reply: Reply, adapter: Published | None, prompt: Prompt, sampling: Sampling
    ) -> None:
        replica.active += 1
        try:
            if adapter is not None and adapter.name not in replica.has:
                await self._give_again(replica, adapter)
            await self._stream(replica, reply, adapter, prompt, sampling)
        except ModelMissing:
            if adapter is not None:
                replica.has.discard(adapter.name)
            raise
        finally:
            replica.active -= 1

    async def _give_again(self, replica: Replica, adapter: Published) -> None:
        """It was started again without its adapter. Raises ServerUnavailable where it cannot have it any more."""
        _log.warning("%s has lost the adapter %s and is given it again", replica.url, adapter.id)
        try:
            await replica.give(adapter)
        except AdapterMismatch as error:
            unfit = ServerUnavailable(replica.url, error.why)
            replica.lost(unfit)
            raise unfit from error

    def _note(self, errors: Mapping[Replica, ModelError]) -> None:
        """Those that did not answer are not asked until the next look."""
        for replica, error in errors.items():
            if isinstance(error, ServerUnavailable):
                replica.lost(error)

    def _pick(self, adapter: Published | None, tried: Mapping[Replica, int]) -> Replica | None:
        """The least busy of those that were tried least; one that has the adapter before one that lost it."""
        able = [one for one in self.up if tried.get(one, 0) < _TIMES]
        lacking = adapter.name if adapter else ""

        def order(one: Replica) -> tuple[int, bool, int]:
            return tried.get(one, 0), bool(lacking) and lacking not in one.has, one.active

        return min(able, key=order, default=None)

    async def _stream(
        self, replica: Replica, reply: Reply, adapter: Published | None, prompt: Prompt, sampling: Sampling
    ) -> None:
        if replica.dialect is None:
            raise ServerUnavailable(replica.url, "it was not asked yet")
        room = self.context - len(prompt.ids)
        fitting = replace(sampling, max_new_tokens=max(1, min(sampling.max_new_tokens, room)))
        async with replica.server.stream(replica.dialect, replica.model(adapter), prompt, fitting) as chunks:
            async for chunk in chunks:
                if reply.take(chunk):
                    return
        if reply.finish is None:
            raise ServerTrouble("the connection to the model server was cut")

    @staticmethod
    def unfit(errors: Sequence[ModelError]) -> BaseUnsuitable | None:
        """The first of these errors that stays however long one waits."""
        return next((one for one in errors if isinstance(one, BaseUnsuitable)), None)


def _worth_another(error: ModelError, adapter: Published | None) -> bool:
    """Whether the same replica may answer if it is asked again."""
    return isinstance(error, ServerUnavailable) or (isinstance(error, ModelMissing) and adapter is not None)
