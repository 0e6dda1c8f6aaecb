"""How much one member may ask: a cooldown between two questions, and a number of answers a day.

The day's answers are counted in the store, so that a restart forgives nothing; the cooldown is a memory. Knows no
Discord objects.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from bot import texts
from bot.errors import Refused
from bot.guild_settings import GuildSettings
from storage.store import Store
from storage.writer import AsyncStore

__all__ = ["Patience", "QuotaUsed", "TooSoon"]

_REMEMBERED = 10_000  # members


class TooSoon(Refused):
    """A member asked again before their cooldown was over."""

    def __init__(self, seconds: float) -> None:
        super().__init__(texts.too_soon(math.ceil(seconds)))
        self.seconds = seconds


class QuotaUsed(Refused):
    """A member has had all answers of the day."""

    def __init__(self, quota: int, until: datetime) -> None:
        super().__init__(texts.quota_used(quota, int(until.timestamp())))
        self.quota, self.until = quota, until


class Patience:
    """Asked before each answer; remembers who asked when."""

    def __init__(self, store: AsyncStore, *, today: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._today = today
        self._asked: dict[tuple[int | None, int], float] = {}
        self._under_way: Counter[tuple[int | None, int]] = Counter()

    async def admit(self, guild_id: int | None, member_id: int, roles: Sequence[int], settings: GuildSettings) -> None:
        """Let a question through, and start the member's cooldown. Raises TooSoon or QuotaUsed."""
        member = guild_id, member_id
        now = time.monotonic()
        waited = now - self._asked.get(member, -math.inf)
        if waited < settings.member_cooldown:
            raise TooSoon(settings.member_cooldown - waited)
        quota = settings.quota(roles)
        if settings.member_cooldown:
            self._remember(member, now)  # before anything is awaited: of two questions at once, one is too soon
        if quota:
            midnight = self._today().replace(hour=0, minute=0, second=0, microsecond=0)
            used = await self._store.call(Store.answers_since, member_id, guild_id, midnight)
            if used + self._under_way[member] >= quota:
                self._asked.pop(member, None)
                raise QuotaUsed(quota, midnight + timedelta(days=1))

    @contextmanager
    def answering(self, guild_id: int | None, member_id: int) -> Iterator[None]:
        """Count an answer that is being written as one that was given."""
        self._under_way[guild_id, member_id] += 1
        try:
            yield
        finally:
            self._under_way[guild_id, member_id] -= 1
            if not self._under_way[guild_id, member_id]:
                del self._under_way[guild_id, member_id]

    def _remember(self, member: tuple[int | None, int], now: float) -> None:
        if len(self._asked) >= _REMEMBERED:
            self._asked = dict(sorted(self._asked.items(), key=lambda item: item[1])[_REMEMBERED // 2 :])
        self._asked[member] = now
