"""The nightly schedule: once a local date, whatever the clocks do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from trainer import schedule
from trainer.errors import ScheduleInvalid
from trainer.schedule import Nightly, WallClock, due, local_date
from trainer.settings import ScheduleConfig

BERLIN = ZoneInfo("Europe/Berlin")


def clock(cron="0 4 * * *", timezone="Europe/Berlin"):
    return WallClock.parse(ScheduleConfig(cron, timezone))


def berlin(*moment):
    return datetime(*moment, tzinfo=BERLIN)


def fires(wall_clock, start, count):
    """The next fires after `start`, on the wall."""
    found = []
    for _ in range(count):
        start = wall_clock.after(start)
        found.append(f"{start:%d %H:%M}")
    return found


def test_it_fires_at_the_wall_clocks_time_in_its_zone():
    """Four in the morning in Berlin is not four in UTC."""
    fire = clock().after(datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert fire == datetime(2026, 11, 24, 3, tzinfo=UTC)
    assert fire.tzinfo is BERLIN


def test_half_past_two_comes_once_when_the_clocks_go_back():
    """On 25 October 2026, 02:30 comes twice in Berlin."""
    assert fires(clock("30 2 * * *"), berlin(2026, 10, 24, 12), 3) == ["25 02:30", "26 02:30", "27 02:30"]


def test_half_past_two_is_not_lost_when_the_clocks_go_forward():
    """On 28 March 2027 there is no 02:30 in Berlin; the night is trained an hour later by the wall."""
    assert fires(clock("30 2 * * *"), berlin(2027, 3, 27, 12), 2) == ["28 03:30", "29 02:30"]


def test_the_fire_after_a_fire_is_the_next_one():
    """Even from within the hour that comes twice."""
    second_half_past_two = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)
    assert fires(clock("30 2 * * *"), second_half_past_two, 1) == ["26 02:30"]


@pytest.mark.parametrize(
    ("field", "day"), [("0", "Sun"), ("7", "Sun"), ("1", "Mon"), ("6", "Sat"), ("fri", "Fri"), ("3,9-9", None)]
)
def test_days_are_counted_from_sunday_as_in_crontab(field, day):
    """Sunday is 0 and 7."""
    if day is None:
        with pytest.raises(ScheduleInvalid):
            clock(f"0 4 * * {field}")
        return
    assert f"{clock(f'0 4 * * {field}').after(berlin(2026, 11, 23, 12)):%a}" == day


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0-6", "MonTueWedThuFriSatSun"),
        ("1-7", "MonTueWedThuFriSatSun"),
        ("SUN-THU", "MonTueWedThuSun"),
        ("sun,Sat", "SatSun"),
        ("5-7", "FriSatSun"),
        ("0", "Sun"),
    ],
)
def test_valid_crontab_days_are_accepted(field, days):
    """Numbers from Sunday on, names in any case, ranges and lists of both."""
    start, found = berlin(2026, 11, 23, 1), ""
    for _ in range(days.count("n") + 7):
        start = clock(f"0 4 * * {field}").after(start)
        if start > berlin(2026, 11, 30):
            break
        found += f"{start:%a}"
    assert found == days


def test_a_day_of_the_month_or_of_the_week_is_enough():
    """As crontab has it, where both are given."""
    assert fires(clock("0 4 25 * mon"), berlin(2026, 11, 23, 1), 3) == ["23 04:00", "25 04:00", "30 04:00"]


def test_a_range_of_days_works_and_a_step_stays_a_step():
    """1-5 are the working days; */2 is every other day, not Tuesday."""
    assert fires(clock("0 4 * * 1-5"), berlin(2026, 11, 26, 12), 3) == ["27 04:00", "30 04:00", "01 04:00"]
    assert len(set(fires(clock("0 4 * * */2"), berlin(2026, 11, 23, 12), 4))) == 4


@pytest.mark.parametrize(
    ("cron", "zone", "word"),
    [
        ("often", "", "crontab"),
        ("0 4 * *", "", "crontab"),
        ("0 0 4 * * *", "", "crontab"),
        ("0 25 * * *", "", "crontab"),
        ("0 4 * * 8", "", "crontab"),
        ("0 4 31 13 *", "", "crontab"),
        ("0 4 32 * *", "", "crontab"),
        ("0 4 * * *", "Mars/Olympus", "Europe/Berlin"),
    ],
)
def test_a_schedule_that_cannot_be_read_is_refused_in_words(cron, zone, word):
    """One sentence that shows what a right one looks like."""
    with pytest.raises(ScheduleInvalid, match=word):
        WallClock.parse(ScheduleConfig(cron, zone))


def test_a_day_that_never_comes_never_fires():
    """30 February is a schedule without a night."""
    assert clock("0 4 30 2 *").after(berlin(2026, 11, 23)) is None


def test_nothing_is_due_before_the_hour_and_one_night_after_it():
    """The night has the date of its fire."""
    assert due(clock(), berlin(2026, 11, 23, 3, 59), "2026-11-22") is None
    assert due(clock(), berlin(2026, 11, 23, 4, 0), "2026-11-22") == "2026-11-23"


def test_a_local_date_is_run_once():
    """However often somebody asks, or the clock strikes."""
    often = clock("0 */6 * * *")
    assert due(often, berlin(2026, 11, 23, 18, 30), "2026-11-23") is None
    assert due(often, berlin(2026, 11, 24, 0, 30), "2026-11-23") == "2026-11-24"


def test_after_a_week_down_only_the_latest_night_is_caught_up():
    """Seven runs on the same pairs would be six too many."""
    assert due(clock(), berlin(2026, 11, 23, 12), "2026-11-16") == "2026-11-23"


def test_down_since_before_tonight_means_last_night_is_due():
    """At two in the morning, the last fire was yesterday's."""
    assert due(clock(), berlin(2026, 11, 23, 2), "2026-11-20") == "2026-11-22"
    assert due(clock(), berlin(2026, 11, 23, 2), "2026-11-22") is None


def test_a_home_that_never_ran_is_due():
    """Someone whose machine is off at night still gets a run."""
    assert due(clock(), berlin(2026, 11, 23, 20), None) == "2026-11-23"


def test_a_night_that_a_clock_ahead_has_run_stops_no_other():
    """One start with the clock 400 days ahead, then it is set right: tonight is due, and only once."""
    ahead = "2027-12-28"
    assert due(clock(), berlin(2026, 11, 23, 5), ["2026-11-22", ahead]) == "2026-11-23"
    assert due(clock(), berlin(2026, 11, 23, 5), ["2026-11-23", ahead]) is None
    assert due(clock(), berlin(2027, 12, 28, 5), ["2027-12-27", ahead]) is None


def test_a_clock_that_was_behind_runs_no_date_twice():
    """The night of a date that was run stays run, whatever was run after it."""
    ran = ["2026-11-23", "2025-01-01"]  # in this order
    assert due(clock(), berlin(2026, 11, 23, 12), ran) is None


@pytest.mark.parametrize("last", ["2026-10-24", "2027-03-27"])
def test_the_night_the_clocks_change_is_run_exactly_once(last):
    """Minute by minute through the day: one fire."""
    wall_clock = clock("30 2 * * *")
    now = datetime.fromisoformat(last).replace(tzinfo=BERLIN).astimezone(UTC) + timedelta(days=1)
    ran = []
    for _ in range(26 * 60):
        now += timedelta(minutes=1)
        if now.astimezone(BERLIN).date() > datetime.fromisoformat(last).date() + timedelta(days=1):
            break
        night = due(wall_clock, now, ran[-1] if ran else last)
        if night:
            ran.append(night)
    assert len(ran) == 1


def test_the_local_date_is_the_zones():
    """Half past midnight in Berlin is still yesterday in UTC."""
    moment = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
    assert local_date(moment, ScheduleConfig(timezone="Europe/Berlin")) == "2026-11-23"
    assert local_date(moment, ScheduleConfig(timezone="UTC")) == "2026-11-22"


class Nights:
    """Somebody who keeps the last night and counts the runs."""

    def __init__(self, last=None, fail=False):
        self.last, self.fail, self.started = last, fail, asyncio.Event()
        self.nights = []

    async def last_local_date(self):
        return self.last

    async def start(self, night):
        self.nights.append(night)
        self.last = [*(self.last if isinstance(self.last, list) else []), night]
        self.started.set()
        if self.fail:
            raise RuntimeError("no")


async def test_a_missed_night_is_caught_up_at_start():
    """The schedule is kept in the database, not in the scheduler's memory."""
    nights = Nights(last="2020-01-01")
    nightly = Nightly(ScheduleConfig("* * * * *", "UTC"), nights.last_local_date, nights.start)
    nightly.start()
    await asyncio.wait_for(nights.started.wait(), 5)
    nightly.shutdown()
    assert len(nights.nights) == 1


@pytest.mark.parametrize(
    ("since", "ran", "night"),
    [
        ("2026-11-23T12:00+00:00", None, None),
        ("2026-11-23T02:00+00:00", None, "2026-11-23"),
        ("2026-11-20T12:00+00:00", [], "2026-11-23"),
        ("2026-11-23T12:00+00:00", ["2026-11-22"], "2026-11-23"),
        ("2027-11-23T12:00+00:00", None, "2026-11-23"),
    ],
)
def test_nights_before_the_schedule_began_were_not_missed(since, ran, night):
    """Where none was run yet; a beginning ahead of the clock says nothing."""
    now = datetime(2026, 11, 23, 13, tzinfo=UTC)
    assert due(clock(), now, ran, datetime.fromisoformat(since)) == night


async def test_a_shutdown_during_a_night_is_one_plain_line(caplog):
    """No traceback: nothing went wrong."""
    caplog.set_level("INFO")
    begun = asyncio.Event()

    async def start(_night):
        begun.set()
        await asyncio.Event().wait()

    async def none():
        return None

    nightly = Nightly(ScheduleConfig("0 0 * * *", "UTC"), none, start)
    nightly.start()
    await asyncio.wait_for(begun.wait(), 5)
    await nightly.close()
    await asyncio.sleep(0.05)
    assert "The schedule ended during the night of" in caplog.text
    assert [one for one in caplog.records if one.exc_info or one.levelno > 20] == []


async def test_a_night_that_was_run_is_not_run_again_at_a_restart():
    """Restarting the bot at noon starts nothing."""
    nights = Nights(last=datetime.now(UTC).date().isoformat())
    nightly = Nightly(ScheduleConfig("0 0 * * *", "UTC"), nights.last_local_date, nights.start)
    nightly.start()
    await asyncio.sleep(0.2)
    nightly.shutdown()
    assert nights.nights == []
    assert nightly.next_run() > datetime.now(UTC)


async def test_a_clock_that_is_set_back_while_the_bot_runs_stops_no_night(monkeypatch):
    """It is looked at again and again: no timer waits for a moment that the clock had named."""
    moments = iter([datetime(2027, 12, 28, 3, 59, 59, tzinfo=UTC)] * 3)
    right = datetime(2026, 11, 23, 4, 0, 1, tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return next(moments, right)

    nights = Nights(last="2026-11-22")
    monkeypatch.setattr(schedule, "datetime", Clock)
    monkeypatch.setattr(schedule, "_LOOK_S", 0.05)
    nightly = Nightly(ScheduleConfig("0 4 * * *", "UTC"), nights.last_local_date, nights.start)
    nightly.start()
    async with asyncio.timeout(5):
        while "2026-11-23" not in nights.nights:  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.02)
    nightly.shutdown()
    assert nights.nights == ["2027-12-27", "2026-11-23"]


async def test_a_night_that_leaves_no_record_is_not_tried_every_minute(monkeypatch):
    """Once until the next start, else moderators would read of each attempt."""
    monkeypatch.setattr(schedule, "_LOOK_S", 0.02)
    tried = []

    async def never():
        return None

    async def start(night):
        tried.append(night)

    nightly = Nightly(ScheduleConfig("0 0 * * *", "UTC"), never, start)
    nightly.start()
    await asyncio.sleep(0.3)
    nightly.shutdown()
    assert len(tried) == 1


async def test_a_schedule_that_is_off_does_nothing():
    """Some operators train by hand."""
    nights = Nights()
    nightly = Nightly(ScheduleConfig(enabled=False), nights.last_local_date, nights.start)
    nightly.start()
    await asyncio.sleep(0.1)
    nightly.shutdown()
    assert nights.nights == []
    assert nightly.next_run() is None


async def test_a_night_that_fails_is_logged_and_the_schedule_goes_on(caplog):
    """One bad night is not the end of learning."""
    nights = Nights(fail=True)
    nightly = Nightly(ScheduleConfig("* * * * *", "UTC"), nights.last_local_date, nights.start)
    nightly.start()
    await asyncio.wait_for(nights.started.wait(), 5)
    await asyncio.sleep(0.05)
    nightly.shutdown()
    assert "could not be started" in caplog.text


async def test_the_timer_does_not_wait_for_a_clock_that_was_set_back(monkeypatch):
    """APScheduler compares wall clocks when it wakes; a job a day ahead of the clock is due then."""
    monkeypatch.setattr(schedule, "_LOOK_S", 0.05)
    looked = []

    async def look():
        looked.append(1)

    timer = schedule._Timer(timezone=UTC)
    timer.add_job(look, schedule._Looks(lambda: 0.05), id="look")
    timer.start()
    await asyncio.sleep(0.02)
    timer.get_job("look").modify(next_run_time=datetime.now(UTC) + timedelta(days=1))
    before = len(looked)
    timer.wakeup()
    await asyncio.sleep(0.3)
    timer.shutdown(wait=False)
    assert len(looked) > before + 1
