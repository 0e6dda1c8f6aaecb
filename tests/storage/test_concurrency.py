"""Bot and trainer on one database: a second process writes while the bot's writer thread does."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from storage.async_store import AsyncStore
from storage.database import open_database, writing
from storage.errors import DatabaseBusy, StoreClosed
from storage.origins import ORIGINS
from storage.store import Store
from tests.storage.conftest import ALICE, a_reply

TRAINER = """
import sys
from pathlib import Path
from storage.origins import ORIGINS
from storage.run_records import Adapter
from storage.store import Store
with Store.open(Path(sys.argv[1])) as store:
    run = store.start_run("schedule", "2026-11-23", 1, {})
    print("writing", flush=True)
    for step in range(300):
        store.log_metrics(run.id, step, {"loss": 3.0 - step / 300, "learning_rate": 1e-4})
        store.counts("members", learn_from=ORIGINS)
    store.add_adapter(Adapter("v1", run.id, "embedded", "2026-11-23T04:00:00.000+00:00"))
    store.promote("v1", kind="gate", actor="trainer", reason="better")
    store.finish_run(run.id, "promoted", "better", challenger="v1")
"""


async def test_bot_and_trainer_write_at_the_same_time(db_path):
    """Nothing is lost, nothing fails, and each sees the other's rows."""
    async with await AsyncStore.open(db_path) as store:
        trainer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", TRAINER, str(db_path), stdout=asyncio.subprocess.PIPE
        )
        await trainer.stdout.readline()
        written = 0
        while trainer.returncode is None or written < 100:
            reply_id = await store.call(Store.add_reply, a_reply(f"question {written}"))
            await store.call(Store.add_review, reply_id, "approve", reviewer="mod")
            written += 1
        assert await trainer.wait() == 0
        assert (await store.call(Store.counts, learn_from=ORIGINS)).approved == written
        run = await store.call(Store.last_run)
        assert run.outcome == "promoted"
        assert len(await store.call(Store.metrics, run.id)) == 600
        assert await store.call(Store.champion) == "v1"


async def test_calls_of_many_tasks_run_one_after_the_other(db_path):
    """One thread has the connection; results find their callers."""
    async with await AsyncStore.open(db_path) as store:
        numbers = await asyncio.gather(*(store.call(Store.add_reply, a_reply(f"q{n}")) for n in range(50)))
        assert sorted(numbers) == list(range(1, 51))
        replies = await asyncio.gather(*(store.call(Store.reply, number) for number in numbers))
        assert [reply.turns[-1].content for reply in replies] == [f"q{n}" for n in range(50)]


async def test_the_event_loop_goes_on_while_the_store_works(db_path):
    """A slow disk is the writer thread's trouble alone."""
    go_on = threading.Event()
    async with await AsyncStore.open(db_path) as store:
        slow = asyncio.ensure_future(store.call(lambda _: go_on.wait(10)))
        await asyncio.sleep(0.01)
        assert not slow.done()
        go_on.set()
        assert await slow


async def test_a_cancelled_caller_still_gets_its_row_written(db_path):
    """A shutdown that cancels an answer does not lose the record of it."""
    go_on = threading.Event()
    async with await AsyncStore.open(db_path) as store:
        busy = asyncio.ensure_future(store.call(lambda _: go_on.wait(10)))
        queued = asyncio.ensure_future(store.call(Store.add_reply, a_reply()))
        await asyncio.sleep(0.01)
        queued.cancel()
        with pytest.raises(asyncio.CancelledError):
            await queued
        go_on.set()
        await busy
        assert (await store.call(Store.counts, learn_from=ORIGINS)).pending == 1


async def test_an_iterator_cannot_leave_its_thread(db_path):
    """Rows read on another thread would fail at the first one: say it at the call."""
    async with await AsyncStore.open(db_path) as store:
        with pytest.raises(TypeError, match="makes a list"):
            await store.call(Store.eligible_pairs, "members", learn_from=ORIGINS)
        assert await store.call(lambda opened: list(opened.eligible_pairs("members", learn_from=ORIGINS))) == []


async def test_a_closed_store_says_so(db_path):
    """Closing finishes what was asked, and may be done twice."""
    store = await AsyncStore.open(db_path)
    asked = asyncio.ensure_future(store.call(Store.add_reply, a_reply()))
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    assert await asked == 1
    with pytest.raises(StoreClosed):
        await store.call(Store.counts, learn_from=ORIGINS)


async def test_a_store_that_cannot_be_opened_leaves_no_thread(tmp_path):
    """The error arrives, the thread goes."""
    before = threading.active_count()
    with pytest.raises(Exception, match="cannot be opened"):
        await AsyncStore.open(tmp_path / "nowhere" / "x.db")
    await asyncio.sleep(0.05)
    assert threading.active_count() == before


def test_a_writer_that_waits_too_long_is_told_so(store, db_path, monkeypatch):
    """Ten seconds in use; one sentence, and the store works again afterwards."""
    other = open_database(db_path)
    store._db.execute("pragma busy_timeout = 50")
    with writing(other), pytest.raises(DatabaseBusy, match="locked"):
        store.set_consent(ALICE, opted_in=True)
    assert store.set_consent(ALICE, opted_in=True).opted_in
    other.close()


def test_a_long_import_does_not_lock_out_the_bot_while_its_file_is_read(store, db_path):
    """The lock is taken for the copy into the tables only."""
    from storage.pair_records import NewPair
    from storage.reply_records import Turn

    other = open_database(db_path)
    other.execute("pragma busy_timeout = 0")

    def rows():
        for n in range(3):
            with writing(other):
                other.execute("insert into consents values (?, 1, 'now')", [n])
            yield NewPair((Turn("user", f"q{n}"),), "a")

    assert store.import_pairs(rows(), "ann").imported == 3
    assert other.execute("select count(*) from consents").fetchone()[0] == 3
    other.close()


def test_a_snapshot_is_one_moment_in_time(store, db_path):
    """What is approved while the trainer reads belongs to the next night."""
    for n in range(3):
        store.add_review(store.add_reply(a_reply(f"q{n}")), "approve", reviewer="mod")
    with Store.open(db_path) as bot:
        pairs = store.eligible_pairs("operator", learn_from=ORIGINS)
        seen = [next(pairs)]
        bot.add_review(2, "reject", reviewer="mod")
        bot.add_review(bot.add_reply(a_reply("late")), "approve", reviewer="mod")
        seen += pairs
    assert [pair.reply_id for pair in seen] == [1, 2, 3]
    assert [pair.reply_id for pair in store.eligible_pairs("operator", learn_from=ORIGINS)] == [1, 3, 4]
