"""The engine sleeps through a training run only where both do not fit, and always wakes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bot.app import Nightshift
from bot.training.gpu_memory import share_gpu_memory
from model.errors import EngineClosed
from storage.store import Store
from tests.fake_engine import FakeEngine
from trainer.gpu_sharing import least_bytes, must_sleep
from trainer.result import RunResult
from trainer.settings import TrainingConfig
from trainer.training.memory import EMBEDDED_SHAPE


class GpuEngine(FakeEngine):
    """Holds two gigabytes of a GPU; notes when it sleeps and wakes."""

    def __init__(self, device="cuda:0"):
        super().__init__()
        self.device, self.heard = device, []

    def stats(self):
        return replace(super().stats(), device=self.device, memory_bytes=2_000_000_000)

    async def sleep(self):
        self.heard.append("sleep")

    async def wake(self):
        self.heard.append("wake")


@pytest.mark.parametrize(
    ("need", "free", "held", "sleeps"), [(5, 8, 4, False), (5, 5, 4, False), (5, 3, 4, True), (5, 3, 0, False)]
)
def test_the_engine_sleeps_only_if_both_do_not_fit(need, free, held, sleeps):
    """And only if that gives anything back."""
    assert must_sleep(need=need, free=free, held=held) is sleeps


def test_what_training_needs_grows_with_the_longest_example():
    """The embedded base trains in little more than a gigabyte."""
    short, long = (least_bytes(EMBEDDED_SHAPE, TrainingConfig(max_tokens=tokens)) for tokens in (256, 4096))
    assert 0.8e9 < short < long < 4e9


@pytest.mark.parametrize(
    ("device", "free", "heard"),
    [("cuda:0", 0.4e9, ["sleep", "wake"]), ("cuda:0", 40e9, []), ("cpu", 0.0, [])],
)
async def test_it_is_put_to_sleep_before_and_woken_after(home, settings, device, free, heard):
    """On a CPU, or where there is room, it goes on answering."""
    engine = GpuEngine(device)
    async with share_gpu_memory(engine, settings, home, free_bytes=lambda _device: free) as asleep:
        assert asleep is bool(heard)
        assert engine.heard == heard[:1]
    assert engine.heard == heard


async def test_it_wakes_although_training_failed_or_was_cancelled(home, settings):
    """Whatever happens after."""
    for error in (RuntimeError(), asyncio.CancelledError()):
        engine = GpuEngine()
        with pytest.raises(type(error)):
            async with share_gpu_memory(engine, settings, home, free_bytes=lambda _device: 0.0):
                raise error
        assert engine.heard == ["sleep", "wake"]


async def test_an_engine_that_cannot_sleep_does_not_keep_training_from_its_night(home, settings, monkeypatch):
    """It may fit all the same; the log has why."""
    engine = GpuEngine()

    async def refuse():
        raise EngineClosed

    monkeypatch.setattr(engine, "sleep", refuse)
    async with share_gpu_memory(engine, settings, home, free_bytes=lambda _device: 0.0) as asleep:
        assert not asleep
    assert engine.heard == []


async def test_a_run_of_the_bot_has_room(home, settings, monkeypatch):
    """The child is launched when the engine is asleep already."""
    engine = GpuEngine()
    monkeypatch.setattr(
        "bot.training.gpu_memory.share_gpu_memory.__wrapped__.__kwdefaults__",
        {"free_bytes": lambda _device: 0.0},
    )

    async def train(*_args, **_kwargs):
        assert engine.heard == ["sleep"]
        return RunResult(run="r1", outcome="skipped", reason="Nothing new.")

    async with Nightshift.open(home, settings, engine=engine, train=train) as app:
        await app.runs.train()
    assert engine.heard == ["sleep", "wake"]


async def test_a_night_that_was_stopped_is_due_again(home, settings):
    """A run without an outcome resumes at the next start; one that ended does not come again."""
    asked = asyncio.Queue()

    async def train(_home, *, force, trigger, local_date):
        asked.put_nowait(local_date)
        return RunResult(run="r1", outcome="skipped", reason="Nothing new.")

    with Store.open(home.db) as store:
        store.first_start("2026-01-01T00:00:00.000+00:00")
    async with Nightshift.open(home, settings, engine=FakeEngine(), schedule=True, train=train) as app:
        night = await asyncio.wait_for(asked.get(), 10)
        stopped = await app.store.call(Store.start_run, "schedule", night, 1, {})
    async with Nightshift.open(home, settings, engine=FakeEngine(), schedule=True, train=train) as app:
        assert await asyncio.wait_for(asked.get(), 10) == night
        await app.store.call(Store.finish_run, stopped.id, "kept", "The champion stays.")
    async with Nightshift.open(home, settings, engine=FakeEngine(), schedule=True, train=train):
        await asyncio.sleep(0.2)
        assert asked.empty()


async def test_cancelling_closes_the_run_for_good(home, settings):
    """Whatever checkpoint it left."""
    started = asyncio.Event()

    async def train(*_args, **_kwargs):
        await app.store.call(Store.start_run, "manual", "2026-11-23", 1, {})
        started.set()
        await asyncio.Event().wait()

    async with Nightshift.open(home, settings, engine=FakeEngine(), train=train) as app:
        task = asyncio.create_task(app.runs.train())
        await started.wait()
        assert app.runs.cancel(actor="Mo")
        await task
        run = await app.store.call(Store.last_run)
    assert (run.outcome, run.reason) == ("failed", "Stopped by Mo.")
