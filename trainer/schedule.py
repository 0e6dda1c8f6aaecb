"""When the nightly run starts: once per local date, whatever the clocks do, catching up after downtime.

`WallClock` and `due` are pure. `Nightly` hangs them into APScheduler and knows only two callables: one that tells the
local date of the last nightly run, one that starts a run. Which process runs it is not its business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from tzlocal import get_localzone

from trainer.errors import ScheduleInvalid
from trainer.settings import ScheduleConfig

__all__ = ["Nightly", "WallClock", "due", "local_date"]

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=32)
"""How far back a missed night still counts: a monthly schedule fits in."""


@dataclass(frozen=True)
class WallClock:
    """A crontab expression read on the wall clock of one time zone.

    APScheduler's own trigger fires twice at 02:30 when the clocks go back and not at all when they go forward. Here the
    expression is evaluated on naive wall-clock time, each fire is then placed in the zone: the first of two 02:30s, and
    03:30 when there is no 02:30.
    """

    cron: CronTrigger
    zone: tzinfo

    @classmethod
    def parse(cls, config: ScheduleConfig) -> WallClock:
        """Read the settings. Raises ScheduleInvalid."""
        try:
            zone: tzinfo = ZoneInfo(config.timezone) if config.timezone else get_localzone()
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ScheduleInvalid(
                f"The time zone {config.timezone!r} is not known; use a name like 'Europe/Berlin'."
            ) from None
        try:
            minute, hour, day, month, weekday = config.cron.split()
            # The trigger works on UTC, which has no clock changes: it stands for naive time here.
            cron = CronTrigger(
                minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=UTC
            )
        except ValueError:
            raise ScheduleInvalid(
                f"The schedule {config.cron!r} is not a crontab expression such as '0 4 * * *'."
            ) from None
        return cls(cron, zone)

    def after(self, moment: datetime) -> datetime | None:
        """The first fire later than an aware `moment`, in the zone; None when there is none (30 February)."""
        naive = moment.astimezone(self.zone).replace(tzinfo=None, fold=0)
        # A gap moves fires up to an hour later, a fold repeats an hour: start before both.
        cursor = (naive - timedelta(hours=2)).replace(tzinfo=UTC)
        while True:
            fire: datetime | None = self.cron.get_next_fire_time(None, cursor)
            if fire is None:
                return None
            placed = fire.replace(tzinfo=self.zone, fold=0).astimezone(UTC).astimezone(self.zone)
            if placed.timestamp() > moment.timestamp():
                return placed
            cursor = fire + timedelta(seconds=1)


def local_date(moment: datetime, config: ScheduleConfig) -> str:
    """The date of an aware moment in the schedule's time zone, as 2026-11-23. Raises ScheduleInvalid."""
    return moment.astimezone(WallClock.parse(config).zone).date().isoformat()


def due(clock: WallClock, now: datetime, last: str | None) -> str | None:
    """The local date of the latest night that has come and was not run, or None when there is nothing to do.

    Args:
        clock: the schedule.
        now: an aware moment.
        last: local date of the last nightly run, None when there never was one.
    """
    today = now.astimezone(clock.zone).date()
    oldest = today - LOOK_BACK
    if last is not None:
        oldest = max(oldest, date.fromisoformat(last) + timedelta(days=1))
    for days in range((today - oldest).days + 1):
        night = today - timedelta(days=days)
        midnight = datetime.combine(night, time(), clock.zone)
        fire = clock.after(midnight - timedelta(seconds=1))
        if fire is not None and fire <= now and fire.date() == night:
            return night.isoformat()
    return None


class Nightly:
    """The schedule at work inside the bot's event loop.

    Args:
        settings: when to run.
        last_local_date: tells the local date of the last nightly run, or None.
        start: starts the run of a local date and returns when it has ended; a failure is logged.
    """

    def __init__(
        self,
        settings: ScheduleConfig,
        last_local_date: Callable[[], Awaitable[str | None]],
        start: Callable[[str], Awaitable[None]],
    ) -> None:
        self._clock = WallClock.parse(settings)
        self._enabled = settings.enabled
        self._last_local_date = last_local_date
        self._start = start
        self._scheduler: AsyncIOScheduler | None = None
        self._running = asyncio.Lock()

    def start(self) -> None:
        """Begin; a night missed while the bot was down is run at once. Must be called inside the event loop."""
        if not self._enabled:
            return
        # misfire_grace_time is one second by default: a busy night would be skipped without a word.
        scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True})
        scheduler.add_job(self._run_if_due, id="nightly", trigger=_Trigger(self._clock))
        scheduler.add_job(self._run_if_due, id="catch-up")
        scheduler.start()
        self._scheduler = scheduler

    def shutdown(self) -> None:
        """Fire no more. A run in progress belongs to whoever started it."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    def next_run(self) -> datetime | None:
        """The next fire in the schedule's time zone; None when the schedule is off."""
        return self._clock.after(datetime.now(UTC)) if self._enabled else None

    async def _run_if_due(self) -> None:
        async with self._running:
            try:
                night = due(self._clock, datetime.now(UTC), await self._last_local_date())
                if night is not None:
                    await self._start(night)
            except Exception:
                log.exception("The nightly run could not be started; the next night is tried again")


class _Trigger(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """A `WallClock` as APScheduler wants it."""

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        return self._clock.after(max(previous_fire_time, now) if previous_fire_time else now)


def _weekdays(field: str) -> str:
    """Crontab counts days from Sunday = 0 (or 7), APScheduler 3 from Monday = 0: names leave no doubt.

    See https://github.com/agronholm/apscheduler/issues/286; can go with APScheduler 4.
    """
    names = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
    return "".join(
        names[int(char)] if char in "01234567" and not _in_step(field, at) else char for at, char in enumerate(field)
    )


def _in_step(field: str, at: int) -> bool:
    """Whether the character stands behind a slash: `*/2` is a step of two, not Tuesday."""
    return "/" in field[:at].rsplit(",", 1)[-1]
