"""How much one member and one server may ask: at once, between two requests, and in a day.

A member may have a few answers under way at a time, on all servers together. A server (direct messages count as one)
may use at most four times the capacity that is still free: alone it gets four fifths of the queue.

The daily quota is counted in the store, so that it survives a restart; the rest is kept in memory. Knows no Discord
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

__all__ = ["AT_ONCE", "QuotaUsed", "RateLimits", "TooMany", "TooSoon"]

AT_ONCE = 3  # answers of one member that wait or are being generated
_REMEMBERED = 10_000  # members
_TOLD_S = 60.0  # least time between two notices to one member
_SHARE = 4  # times the free capacity


class TooSoon(Refused):
    """A member asked again before their cooldown was over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(texts.too_soon(math.ceil(seconds)))
        self.seconds = seconds


class TooMany(Refused):
    """A member, or a server as a whole, has too many answers under way."""


class QuotaUsed(Refused):
    """A member has used up the daily quota."""

    def __init__(self, quota: int, until: datetime) -> None:
        super().__init__(texts.quota_used(quota, int(until.timestamp())))
        self.quota, self.until = quota, until


class RateLimits:
    """Checked before each answer. `capacity`: how many answers the engine holds at once."""

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
        """Admit a request and start the member's cooldown; it counts as under way until the context manager exits.

        Without `counted` it continues an earlier answer: cooldown and quota do not apply.

        Raises:
            TooMany: too many answers are under way.
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
                self._remember(member, now)  # before anything is awaited: of two requests at once, one is too soon
            stack.enter_context(_counting(self._under_way, member))
            stack.enter_context(_counting(self._counted, member))
            await self._require_quota(member, settings.quota(roles))
            return stack.pop_all()

    def should_notify(self, guild_id: int | None, member_id: int) -> bool:
        """Whether to tell a refused member so in public: once in a while, not each time."""
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
    """Count an answer that waits or is being generated."""
    counter[member] += 1
    try:
        yield
    finally:
        counter[member] -= 1
        if not counter[member]:
            del counter[member]
