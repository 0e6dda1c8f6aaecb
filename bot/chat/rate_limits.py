"""How much one member and one server may ask: at once, between two questions, and in a day.

Of what the engine can hold, a person has a few places, wherever they ask, and a server (direct messages count as one)
at most four times what is still free: alone it uses four fifths, and there is room for the next one.

The day's answers are counted in the store, so that a restart forgives nothing; the rest is a memory. Knows no Discord
objects.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

from bot.errors import Refused
from bot.i18n.en import texts
from bot.server.guild_settings import GuildSettings
from storage.async_store import AsyncStore
from storage.store import Store

__all__ = ["AT_ONCE", "Patience", "QuotaUsed", "TooMany", "TooSoon"]

AT_ONCE = 3  # answers of one person that wait or are being written
_REMEMBERED = 10_000  # members
_TOLD_S = 60.0  # least time between two notices to one person
_SHARE = 4  # times what is free


class TooSoon(Refused):
    """A member asked again before their cooldown was over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(texts.too_soon(math.ceil(seconds)))
        self.seconds = seconds


class TooMany(Refused):
    """A person, or everybody on a server together, has as many answers under way as is fair to others."""


class QuotaUsed(Refused):
    """A member has had all answers of the day."""

    def __init__(self, quota: int, until: datetime) -> None:
        super().__init__(texts.quota_used(quota, int(until.timestamp())))
        self.quota, self.until = quota, until


class Patience:
    """Asked before each answer; remembers who asked when. `capacity`: answers that the engine holds at once."""

    def __init__(
        self, store: AsyncStore, *, capacity: int = 64, today: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._capacity = capacity
        self._today = today
        self._asked: dict[tuple[int | None, int], float] = {}
        self._told: dict[tuple[int | None, int], float] = {}  # who was refused: when they were told last
        self._under_way: Counter[tuple[int | None, int]] = Counter()
        self._counted: Counter[tuple[int | None, int]] = Counter()  # those of them that the quota counts

    async def admit(
        self,
        guild_id: int | None,
        member_id: int,
        roles: Sequence[int],
        settings: GuildSettings,
        *,
        counted: bool = True,
    ) -> AbstractContextManager[object]:
        """Let a question through, and start the member's cooldown; its place is kept until what is given is left.

        Without `counted` it is part of an answer that was given already: neither cooldown nor quota concern it.

        Raises:
            TooMany: others wait too.
            TooSoon: the cooldown is not over.
            QuotaUsed: there are no more answers today.
        """
        member = guild_id, member_id
        self._require_share(guild_id, member_id)
        with ExitStack() as stack:
            if not counted:
                stack.enter_context(_counting(self._under_way, member))
                return stack.pop_all()
            now = time.monotonic()
            waited = now - self._asked.get(member, -math.inf)
            if waited < settings.member_cooldown:
                raise TooSoon(settings.member_cooldown - waited)
            if settings.member_cooldown:
                self._remember(member, now)  # before anything is awaited: of two questions at once, one is too soon
            stack.enter_context(_counting(self._under_way, member))
            stack.enter_context(_counting(self._counted, member))
            await self._require_quota(member, settings.quota(roles))
            return stack.pop_all()

    def tells(self, guild_id: int | None, member_id: int) -> bool:
        """Whether somebody who is refused is to be told so where others read it: once in a while, not each time."""
        member, now = (guild_id, member_id), time.monotonic()
        if now - self._told.get(member, -math.inf) < _TOLD_S:
            return False
        if len(self._told) >= _REMEMBERED:
            self._told.clear()
        self._told[member] = now
        return True

    def _require_share(self, guild_id: int | None, member_id: int) -> None:
        if sum(count for (_, one), count in self._under_way.items() if one == member_id) >= AT_ONCE:
            raise TooMany(texts.too_many(AT_ONCE))
        free = self._capacity - self._under_way.total()
        if sum(count for (server, _), count in self._under_way.items() if server == guild_id) >= _SHARE * free:
            raise TooMany(texts.CROWDED)

    async def _require_quota(self, member: tuple[int | None, int], quota: int) -> None:
        if quota:
            midnight = self._today().replace(hour=0, minute=0, second=0, microsecond=0)
            used = await self._store.call(Store.answers_since, member[1], member[0], midnight)
            if used + self._counted[member] > quota:  # this one is counted already
                self._asked.pop(member, None)
                raise QuotaUsed(quota, midnight + timedelta(days=1))

    def _remember(self, member: tuple[int | None, int], now: float) -> None:
        if len(self._asked) >= _REMEMBERED:
            self._asked = dict(sorted(self._asked.items(), key=lambda item: item[1])[_REMEMBERED // 2 :])
        self._asked[member] = now


@contextmanager
def _counting(counter: Counter[tuple[int | None, int]], member: tuple[int | None, int]) -> Iterator[None]:
    """Count an answer that waits or is being written."""
    counter[member] += 1
    try:
        yield
    finally:
        counter[member] -= 1
        if not counter[member]:
            del counter[member]
