"""When the nightly run starts: once per local date, whatever the clocks do, catching up after downtime.

`WallClock` and `due` are pure. `Nightly` looks again and again whether a night is due. It knows two callables: one
tells the local dates of the nightly runs so far, one starts a run. Which process runs it is not its business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from time import time as epoch_seconds
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim, CronSimError
from tzlocal import get_localzone

from trainer.errors import ScheduleInvalid
from trainer.settings import ScheduleConfig

__all__ = ["Nightly", "WallClock", "due", "local_date"]

log = logging.getLogger(__name__)

LOOK_BACK = timedelta(days=32)
"""How far back a missed night still counts: a monthly schedule fits in."""
_FIELDS = 5
_LOOK_S = 30.0
"""Seconds between two looks at the clock. A timer set for the next fire would be wrong once somebody sets the clock."""


@dataclass(frozen=True)
class WallClock:
    """A crontab expression read on the wall clock of one time zone.

    A crontab's fires come twice at 02:30 when the clocks go back and not at all when they go forward. Here the
    expression is evaluated on naive wall-clock time, each fire is then placed in the zone: the first of two 02:30s, and
    03:30 when there is no 02:30.
    """

    cron: str
    """Empty for a day that never comes, such as 30 February."""
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
        fields = config.cron.upper().split()
        any_month, any_day = [*fields[:3], "*", *fields[4:]], [*fields[:2], "*", *fields[3:]]
        if len(fields) != _FIELDS or not (_is_crontab(any_month) and _is_crontab(any_day)):
            raise ScheduleInvalid(f"The schedule {config.cron!r} is not a crontab expression such as '0 4 * * *'.")
        return cls(" ".join(fields) if _is_crontab(fields) else "", zone)

    def after(self, moment: datetime) -> datetime | None:
        """The first fire later than an aware `moment`, in the zone; None when there is none (30 February)."""
        naive = moment.astimezone(self.zone).replace(tzinfo=None, fold=0)
        # A gap moves fires up to an hour later, a fold repeats an hour: start before both.
        if not self.cron:
            return None
        for fire in CronSim(self.cron, naive - timedelta(hours=2)):
            placed = fire.replace(tzinfo=self.zone, fold=0).astimezone(UTC).astimezone(self.zone)
            if placed.timestamp() > moment.timestamp():
                return placed
        return None


def _is_crontab(fields: list[str]) -> bool:
    try:
        CronSim(" ".join(fields), datetime(2026, 1, 1))  # noqa: DTZ001 - naive, as in `after`
    except CronSimError:
        return False
    return True


def local_date(moment: datetime, config: ScheduleConfig) -> str:
    """The date of an aware moment in the schedule's time zone, as 2026-11-23. Raises ScheduleInvalid."""
    return moment.astimezone(WallClock.parse(config).zone).date().isoformat()


def due(
    clock: WallClock, now: datetime, ran: Collection[str] | str | None, since: datetime | None = None
) -> str | None:
    """The local date of the latest night that has come and was not run, or None when there is nothing to do.

    A date later than today was run by a clock that was ahead. It says nothing of today, and stays run when it comes.

    Args:
        clock: the schedule.
        now: an aware moment.
        ran: local dates of the nightly runs so far, or of the last one; None when there never was one.
        since: when the schedule first began. Until a night was run, earlier ones were not missed.
    """
    today = now.astimezone(clock.zone).date()
    dates = [ran] if isinstance(ran, str) else ran or ()
    last = max((one for one in map(date.fromisoformat, dates) if one <= today), default=None)
    oldest = today - LOOK_BACK
    begun = since if since is not None and not dates and since <= now else None
    if last is not None:
        oldest = max(oldest, last + timedelta(days=1))
    for days in range((today - oldest).days + 1):
        night = today - timedelta(days=days)
        midnight = datetime.combine(night, time(), clock.zone)
        fire = clock.after(midnight - timedelta(seconds=1))
        if fire is not None and fire <= now and fire.date() == night:
            return night.isoformat() if begun is None or fire > begun else None
    return None


class Nightly:
    """The schedule at work inside the bot's event loop.

    Args:
        settings: when to run.
        ran: tells the local dates of the nightly runs so far, or of the last one, or None.
        start: starts the run of a local date and returns when it has ended; a failure is logged.
        may: whether it is this process that runs the nights, asked at each look.
    """

    def __init__(
        self,
        settings: ScheduleConfig,
        ran: Callable[[], Awaitable[Collection[str] | str | None]],
        start: Callable[[str], Awaitable[None]],
        may: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._clock = WallClock.parse(settings)
        self._enabled = settings.enabled
        self._ran = ran
        self._start = start
        self._may = may
        self._tried: set[str] = set()
        self._since: datetime | None = None
        self._timer: _Timer | None = None
        self._looking: asyncio.Task[Any] | None = None

    def start(self, since: datetime | None = None) -> None:
        """Begin; a night missed while the bot was down is run at once. Must be called inside the event loop.

        `since` is when the schedule first began: before that no night was missed.
        """
        self._since = since
        if self._enabled and self._timer is None:
            logging.getLogger("apscheduler").setLevel(logging.WARNING)  # else each look at the clock is a line
            self._timer = _Timer(timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True})
            self._timer.add_job(self._look, _Looks(self._pause), max_instances=2)  # a night goes on beside the looks
            self._timer.start()

    def shutdown(self) -> None:
        """Start no more. A run in progress belongs to its caller."""
        if self._timer is not None:
            self._timer.shutdown(wait=False)
            self._timer = None
        if self._looking is not None:
            self._looking.cancel()

    async def close(self) -> None:
        """Start no more, and wait until the schedule has ended."""
        looking = self._looking
        self.shutdown()
        if looking is not None:
            await asyncio.gather(looking, return_exceptions=True)

    def next_run(self) -> datetime | None:
        """The next fire in the schedule's time zone; None when the schedule is off."""
        return self._clock.after(datetime.now(UTC)) if self._enabled else None

    async def _look(self) -> None:
        if self._looking is not None:
            return
        self._looking, night = asyncio.current_task(), None
        try:
            night = due(self._clock, datetime.now(UTC), await self._ran(), self._since)
            allowed = night is not None and (self._may is None or await self._may())
            if night is not None and allowed and night not in self._tried:
                self._tried.add(night)  # one that leaves no record is tried again after the next start
                await self._start(night)
        except asyncio.CancelledError:  # at shutdown; APScheduler would log a traceback
            log.info("The schedule ended%s", f" during the night of {night}" if night else "")
        except Exception:
            log.exception("The nightly run could not be started; the next night is tried again")
        finally:
            self._looking = None

    def _pause(self) -> float:
        """Seconds until the next look: at the next fire, if the clock is not set meanwhile."""
        now = datetime.now(UTC)
        fire = self._clock.after(now)
        return _LOOK_S if fire is None else min(_LOOK_S, max(0.01, fire.timestamp() - now.timestamp()))


class _Looks(BaseTrigger):  # type: ignore[misc]  # APScheduler 3 has no types
    """Fires at once, then again after as many seconds as `pause` says each time."""

    def __init__(self, pause: Callable[[], float]) -> None:
        self._pause = pause

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return now if previous_fire_time is None else now + timedelta(seconds=self._pause())


class _Timer(AsyncIOScheduler):  # type: ignore[misc]
    """APScheduler's timer, which sleeps by a steady clock and compares wall clocks when it wakes.

    Somebody who sets the clock back would make it wait until the clock has caught up; here the job is due then.
    """

    def wakeup(self) -> None:
        for job in self.get_jobs():
            if job.next_run_time is not None and job.next_run_time.timestamp() - epoch_seconds() > 2 * _LOOK_S:
                job.modify(next_run_time=job.next_run_time.fromtimestamp(epoch_seconds(), UTC))
        super().wakeup()
