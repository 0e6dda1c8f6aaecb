"""A trainer that outlived its bot, or that somebody else started: /train tells the truth about it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from bot.training import other_runs
from storage.async_store import AsyncStore
from storage.store import Store
from trainer import lock

HOLDER = """
import signal, sys, time
from pathlib import Path
from trainer.lock import run_lock
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def orphan(home):
    """A process that holds the lock as a trainer does, whose bot is gone."""
    command = [sys.executable, "-c", HOLDER, str(home.runs / "lock"), "trainer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


async def orphaned(stage, orphan, **fields):
    """Its run, as it stands in the store."""
    run = await stage.app.store.call(Store.start_run, "schedule", "2026-11-23", orphan.pid, {})
    await stage.app.store.call(Store.update_run, run.id, stage="train", **fields)
    return run


async def gone(orphan):
    await asyncio.to_thread(orphan.wait, 10)


def said(result):
    return [one.content for one in [result.response, *result.followups] if one]


async def test_status_shows_a_run_that_outlived_its_bot(stage, orphan):
    """It is going on, and no other one is begun beside it."""
    await orphaned(stage, orphan)
    status = await stage.world.moderator.slash(stage.world.general, "train status")
    assert status.response.content.startswith("**Training**")
    assert words.NOT_TRAINING not in status.response.content
    now = await stage.world.moderator.slash(stage.world.general, "train now")
    assert texts.TRAINING_BUSY in said(now)


async def test_cancel_stops_a_run_that_outlived_its_bot(stage, orphan):
    """For good: it is closed with who stopped it, and the review channel hears."""
    run = await orphaned(stage, orphan)
    result = await stage.world.moderator.slash(stage.world.general, "train cancel")
    assert words.CANCELLED in said(result)
    await gone(orphan)
    await stage.env.advance_time(6)
    row = await stage.app.store.call(Store.run, run.id)
    assert (row.outcome, row.reason) == ("failed", words.cancelled_by("Mo"))
    assert words.cancelled_by("Mo") in stage.card.embeds[0].description
    assert not stage.app.runs.going


async def test_the_morning_report_of_a_run_that_outlived_its_bot_comes_once(stage, orphan):
    """As soon as it has ended."""
    run = await orphaned(stage, orphan)
    await stage.env.advance_time(6)
    assert stage.world.review.history() == []
    await stage.app.store.call(
        Store.finish_run, run.id, "kept", "no gain", champion_nll=3.5, challenger_nll=3.4, train_pairs=9
    )
    orphan.kill()
    await gone(orphan)
    for _ in range(3):
        await stage.env.advance_time(6)
    (report,) = stage.world.review.history()
    assert report.embeds[0].title == words.REPORT


async def test_a_run_that_ended_while_the_bot_was_away_is_reported_at_start(home, open_stage):
    """The night counted, and nobody was there to say so; what was reported before is not told again."""
    with Store.open(home.db) as store:
        told = store.start_run("schedule", "2026-11-22", 1, {})
        store.finish_run(told.id, "skipped", "Too little.")
        store.mark_reported(told.id)
        run = store.start_run("schedule", "2026-11-23", 1, {})
        store.finish_run(run.id, "skipped", "Nothing is new.")
    async with open_stage() as stage:
        await stage.env.advance_time(12)
        (report,) = stage.world.review.history()
        assert "Nothing is new." in report.embeds[0].description


async def test_an_orphan_that_dies_is_closed_and_told_of(stage, orphan):
    """Killed in the middle, without anything to go on from."""
    run = await orphaned(stage, orphan)
    await stage.env.advance_time(6)
    orphan.kill()
    await gone(orphan)
    await stage.env.advance_time(6)
    assert (await stage.app.store.call(Store.run, run.id)).outcome == "failed"
    assert "ended without a result" in stage.card.embeds[0].description


async def test_an_orphan_that_hangs_is_ended(stage, orphan, monkeypatch):
    """It gives no sign for too long."""
    await orphaned(stage, orphan)
    monkeypatch.setattr(lock, "SILENCE_S", -1.0)
    await stage.env.advance_time(6)
    await gone(orphan)
    assert orphan.returncode == -signal.SIGKILL


async def test_an_orphan_that_does_not_stop_is_killed(stage, orphan, monkeypatch):
    """Asked first; it was stopped by a debugger, say, and takes no notice."""
    await orphaned(stage, orphan)
    monkeypatch.setattr(other_runs, "_STOP_S", -1.0)
    monkeypatch.setattr(other_runs, "end", lambda holder, _: lock.end(holder, signal.SIGCONT))
    result = await stage.world.moderator.slash(stage.world.general, "train cancel")
    monkeypatch.undo()
    monkeypatch.setattr(other_runs, "_STOP_S", -1.0)
    assert words.CANCELLED in said(result)
    await stage.env.advance_time(6)
    await gone(orphan)
    assert orphan.returncode == -signal.SIGKILL


async def test_a_run_that_was_interrupted_is_called_so(stage):
    """Its progress is not shown as if it went on."""
    run = await stage.app.store.call(Store.start_run, "schedule", "2026-11-23", 1, {})
    await stage.app.store.call(Store.log_metrics, run.id, 3, {"loss": 2.5})
    for command in ("train status", "train cancel"):
        result = await stage.world.moderator.slash(stage.world.general, command)
        assert said(result) == [words.INTERRUPTED]


async def test_each_of_several_processes_tells_its_own_servers_of_a_night_once(home):
    """The one that made the run has told its own; what ended before the first start is no news."""
    told = {part: [] for part in ("0-1", "2-3", "4-5")}

    def watcher(store, part):
        async def report(run):
            told[part].append(run.id)

        return other_runs.OtherRuns(home, store, report, part)

    async with await AsyncStore.open(home.db) as store:

        async def a_night(trigger, date):
            run = await store.call(Store.start_run, trigger, date, 1, {})
            await store.call(Store.finish_run, run.id, "skipped", "Nothing new.")
            return run.id

        await a_night("schedule", "2026-11-20")
        leader, other = watcher(store, "0-1"), watcher(store, "2-3")
        for one in (leader, other):
            await one.look()
        night = await a_night("schedule", "2026-11-21")
        await leader.told(night)
        await a_night("discord", "2026-11-21")  # told where it was asked for
        for one in (leader, other, other, watcher(store, "2-3"), watcher(store, "4-5")):
            await one.look()
        assert told == {"0-1": [], "2-3": [night], "4-5": []}
        second = await a_night("schedule", "2026-11-22")
        for one in (leader, other, leader, other):
            await one.look()
        assert told == {"0-1": [second], "2-3": [night, second], "4-5": []}
