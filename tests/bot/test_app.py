"""What opens, runs and closes around the Discord client: bot/app.py."""

from __future__ import annotations

import asyncio
from datetime import date

import pytest

from bot.app import Nightshift
from bot.training import runs
from storage.errors import DatabaseDamaged, StoreClosed
from storage.store import Store
from tests.fake_engine import FakeEngine
from tests.storage.conftest import a_reply
from tests.storage.test_faults import damage
from trainer.result import RunResult

LONG_AGO = "2026-01-01T00:00:00.000+00:00"


async def test_a_missed_night_is_made_up_for_at_start(home, settings):
    """With the schedule on, the night that passed while the bot was down is run at once, under its own date."""
    ran: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()

    async def train(_home, *, force, trigger, local_date):
        ran.put_nowait((trigger, local_date))
        return RunResult(run="r1", outcome="skipped", reason="Nothing new.")

    with Store.open(home.db) as store:
        store.first_start(LONG_AGO)
    async with Nightshift.open(home, settings, engine=FakeEngine(), schedule=True, train=train) as app:
        trigger, night = await asyncio.wait_for(ran.get(), 10)
        assert trigger == "schedule"
        assert 0 <= (date.today() - date.fromisoformat(night)).days <= 1  # noqa: DTZ011  (the schedule is local)
        assert (await app.status()).next_run is not None


async def test_a_new_home_has_no_night_to_make_up_for(home, settings):
    """The first start trains nothing; its moment is kept, so that a night missed later is made up for."""
    trained = []

    async def train(*_args, **options):
        trained.append(options)
        return RunResult(run="r1", outcome="skipped", reason="Nothing new.")

    async with Nightshift.open(home, settings, engine=FakeEngine(), schedule=True, train=train) as app:
        first = await app.store.call(Store.first_start)
        await asyncio.sleep(0.2)
        assert not app.runs.going
        assert await app.store.call(Store.first_start, LONG_AGO) == first
    assert trained == []


async def test_without_the_schedule_nothing_trains_by_itself(home, settings):
    """The demo and the playground train only when asked, whatever night was missed."""
    trained = []

    async def train(*_args, **options):
        trained.append(options)
        return RunResult(run="r1", outcome="skipped", reason="Nothing new.")

    with Store.open(home.db) as store:
        store.first_start(LONG_AGO)
    async with Nightshift.open(home, settings, engine=FakeEngine(), train=train) as app:
        await asyncio.sleep(0.2)
        assert (await app.status()).next_run is None
    assert trained == []


async def test_the_night_waits_until_people_are_told_of_the_run_before(home, settings, monkeypatch):
    """A run that has ended and is not reported yet does not cost the night."""
    nights, syncing, told = [], asyncio.Event(), asyncio.Event()
    monkeypatch.setattr(runs, "_WAIT_S", 0.01)

    async def train(_home, *, force, trigger, local_date):
        nights.append(local_date)
        return RunResult(run=None, outcome="skipped", reason="Nothing new.")

    async with Nightshift.open(home, settings, engine=FakeEngine(), train=train) as app:
        sync = app.runs._sync

        async def slow_sync():
            syncing.set()
            await told.wait()
            return await sync()

        app.runs._sync = slow_sync
        by_hand = asyncio.create_task(app.runs.train())
        await asyncio.wait_for(syncing.wait(), 10)
        night = asyncio.create_task(app.runs.tonight("2026-11-23"))
        await asyncio.sleep(0.2)
        told.set()
        await asyncio.wait_for(asyncio.gather(by_hand, night), 10)
    assert nights == [None, "2026-11-23"]


async def test_leaving_stops_a_training_run_and_closes_every_part(home, settings):
    """A shutdown in the middle of a run cancels it and waits for it; engine, store and client are closed."""
    started, stopped = asyncio.Event(), asyncio.Event()

    async def train(*_args, **_kwargs):
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    engine = FakeEngine()
    async with Nightshift.open(home, settings, engine=engine, train=train) as app:
        run = asyncio.create_task(app.runs.train())
        await started.wait()
    assert stopped.is_set()
    assert run.cancelled()
    assert engine.closed
    assert app.client.is_closed()
    with pytest.raises(StoreClosed):
        await app.store.call(Store.champion)


async def test_a_part_that_cannot_open_leaves_none_open(home, settings):
    """When the database is unusable, the engine given is never touched and the error says what to do."""
    home.db.write_bytes(b"not a database, whatever its name says" * 100)
    engine = FakeEngine()
    with pytest.raises(Exception, match="cannot be opened"):
        async with Nightshift.open(home, settings, engine=engine):
            pass
    assert not engine.closed


async def test_a_damaged_database_ends_the_start_and_the_night(home, settings):
    """With a sentence, instead of rows that are missing."""
    with Store.open(home.db) as store:
        for number in range(200):
            store.add_reply(a_reply(f"answer {number} " * 20))
    trained = []

    async def train(_home, **options):
        trained.append(options)

    async with Nightshift.open(home, settings, engine=FakeEngine(), train=train) as app:
        damage(home.db)
        await app.runs.tonight("2026-11-23")
    assert trained == []
    with pytest.raises(DatabaseDamaged, match="damaged"):
        async with Nightshift.open(home, settings, engine=FakeEngine()):
            pass
