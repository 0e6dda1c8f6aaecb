"""An engine that fails is started again, the operator hears of it, and the bot ends when nothing helps."""

from __future__ import annotations

import asyncio

import pytest

from bot import login
from bot.app import Nightshift
from bot.chat.engine_supervision import EngineSupervisor, Restartable, wake
from bot.cli import main
from bot.discord_io.interaction_errors import failure_notice
from bot.errors import EngineLost
from bot.i18n.en import texts
from bot.slash_commands import status_embed
from model.engine import Engine
from model.errors import AdapterMismatch, DoesNotFit, EngineFailed
from model.protocol import AdapterRef
from tests.fake_engine import FakeEngine


class FragileEngine(FakeEngine):
    """Fails when told to; `faults` are what the next attempts to start again or to wake meet."""

    def __init__(self, *faults: Exception):
        super().__init__()
        self.faults, self.started, self.woken, self.given_up = list(faults), 0, 0, ""
        self._failure = asyncio.get_running_loop().create_future()

    def fail(self, why="RuntimeError"):
        if not self._failure.done():
            self._failure.set_result(EngineFailed(why))

    async def failed(self):
        return await asyncio.shield(self._failure)

    async def restart(self):
        if self.faults:
            raise self.faults.pop(0)
        self.started += 1
        self._failure = asyncio.get_running_loop().create_future()

    async def wake(self):
        if self.faults:
            raise self.faults.pop(0)
        self.woken += 1

    def mark_failed(self, why):
        self.given_up = why
        self.fail(why)


@pytest.fixture
async def watched():
    """Make a supervisor with short pauses; what it announces is in its `said`."""
    made = []

    def watch(engine, **changes):
        said = []

        async def announce(text):
            said.append(text())

        async def restarted():
            said.append("synchronised")

        one = EngineSupervisor(engine, announce, restarted=restarted, **({"pauses": (0, 0, 0)} | changes))
        one.said = said
        one.start()
        made.append(one)
        return one

    yield watch
    for one in made:
        await one.stop()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is a list that grows
            await asyncio.sleep(0.001)


def test_the_real_engine_is_one_that_can_be_started_again():
    """The methods that the supervisor asks for are there."""
    assert issubclass(Engine, Restartable)
    assert not issubclass(FakeEngine, Restartable)


async def test_a_failed_engine_is_started_again_and_the_operator_hears_of_it(watched):
    """Two attempts fail, the third works; then the adapter is looked after."""
    engine = FragileEngine(DoesNotFit(2, 1, "The base model"), RuntimeError("odd"))
    supervisor = watched(engine)
    engine.fail()
    await until(lambda: "synchronised" in supervisor.said)
    failed, *after = supervisor.said
    assert "The engine failed" in failed
    assert "(RuntimeError)" in failed
    assert after == [texts.ENGINE_BACK, "synchronised"]
    assert engine.started == 1


async def test_an_engine_that_cannot_be_started_again_ends_what_runs(watched):
    """What runs meanwhile is stopped, and the error says what to do."""
    engine, closed = FragileEngine(*[DoesNotFit(2, 1, "The base model")] * 3), asyncio.Event()
    supervisor = watched(engine)

    async def connected():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # discord.py's own loop may end so, too
            closed.set()

    guarded = asyncio.ensure_future(supervisor.guard(connected()))
    await asyncio.sleep(0)
    engine.fail()
    with pytest.raises(EngineLost, match="The base model needs"):
        await asyncio.wait_for(guarded, 10)
    assert closed.is_set()
    assert "could not be restarted" in supervisor.said[-1]


async def test_an_engine_that_fails_again_and_again_is_lost(watched):
    """The fourth failure within an hour is the last."""
    engine = FragileEngine()
    supervisor = watched(engine)
    for count in range(1, 4):
        engine.fail()
        await until(lambda count=count: supervisor.said.count("synchronised") == count)
    engine.fail()
    with pytest.raises(EngineLost):
        await asyncio.wait_for(supervisor.guard(asyncio.sleep(60)), 10)
    assert engine.started == 3


async def test_failures_that_are_hours_apart_are_none_too_many(watched):
    """Only those of the last hour count."""
    now = [0.0]
    engine = FragileEngine()
    supervisor = watched(engine, clock=lambda: now[0])
    for count in range(1, 7):
        now[0] += 2000.0
        engine.fail()
        await until(lambda count=count: supervisor.said.count("synchronised") == count)


async def test_what_runs_to_its_end_is_not_disturbed(watched):
    """Its result, or its error, is what comes out; an engine without supervision changes nothing."""

    async def fails():
        raise ValueError("odd")

    for engine in (FragileEngine(), FakeEngine()):
        supervisor = watched(engine)
        assert await supervisor.guard(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(ValueError, match="odd"):
            await supervisor.guard(fails())


async def test_a_silent_discord_keeps_no_engine_from_starting_again():
    """Announcing fails, and so does what follows."""
    engine = FragileEngine()

    async def broken(*_):
        raise RuntimeError("no network")

    supervisor = EngineSupervisor(engine, broken, restarted=broken, pauses=(0,))
    supervisor.start()
    engine.fail()
    await until(lambda: engine.started == 1)
    await asyncio.sleep(0.01)
    engine.fail()
    await until(lambda: engine.started == 2)
    await supervisor.stop()


async def test_the_bot_watches_its_engine(home, settings):
    """From the moment it is open; leaving ends that too."""
    engine = FragileEngine()
    async with Nightshift.open(home, settings, engine=engine) as app:
        app.supervisor._pauses = (0,)
        engine.fail()
        await until(lambda: engine.started == 1)
    assert app.supervisor._task.cancelled()


async def test_the_program_ends_with_an_error_when_the_engine_is_lost(home, settings, monkeypatch):
    """`nightshift run` stops and says why; the command line makes exit code 1 of it."""
    engine = FragileEngine(*[DoesNotFit(2, 1, "The base model")] * 3)
    opened = Nightshift.open
    monkeypatch.setattr(login.Nightshift, "open", lambda *args, **kwargs: opened(*args, engine=engine, **kwargs))
    monkeypatch.setattr("bot.chat.engine_supervision._PAUSES", (0, 0, 0))
    monkeypatch.setenv("DISCORD_TOKEN", "good")

    async def fine(*_args, **_kwargs):
        return "nightshift"

    async def connected(client, _token):
        client_open.set()
        await asyncio.Event().wait()

    client_open = asyncio.Event()
    monkeypatch.setattr(login, "check_login", fine)
    monkeypatch.setattr("bot.client.NightshiftClient.start", connected)
    serving = asyncio.ensure_future(login.serve(home, settings))
    await asyncio.wait_for(client_open.wait(), 10)
    engine.fail()
    with pytest.raises(EngineLost) as lost:
        await asyncio.wait_for(serving, 20)
    assert main._sentence(lost.value) == str(lost.value)


async def test_a_wake_that_fails_is_tried_again():
    """Memory comes back a little later than the trainer ends."""
    engine = FragileEngine(DoesNotFit(2, 1, "The base model"), DoesNotFit(2, 1, "The base model"))
    await wake(engine, pauses=(0, 0, 0))
    assert (engine.woken, engine.given_up) == (1, "")


async def test_an_engine_that_cannot_be_woken_is_given_up(tmp_path):
    """Whoever watches it starts it anew, or ends the bot; it does not sleep for ever."""
    engine = FragileEngine(*[DoesNotFit(2, 1, "The base model")] * 9)
    await wake(engine, pauses=(0, 0))
    assert engine.woken == 0
    assert "The base model needs" in engine.given_up


async def test_an_adapter_that_cannot_be_read_is_taken_off_to_wake(tmp_path):
    """The base answers in its own name."""
    engine = FragileEngine(AdapterMismatch(tmp_path, "it is damaged"))
    engine.adapter = "old"
    await wake(engine, pauses=(0, 0))
    assert (engine.woken, engine.adapter, engine.given_up) == (1, None, "")


async def test_a_failed_engine_is_not_the_adapter_s_fault(home, settings, monkeypatch):
    """The champion is tried again when the engine is back, and nobody reads that the adapter was refused."""
    from storage.store import Store

    engine = FragileEngine()
    async with Nightshift.open(home, settings, engine=engine) as app:
        champion = ["v1", 7]
        monkeypatch.setattr("bot.training.adapter_in_use._champion", lambda _store: tuple(champion))

        async def whole(adapter):
            return AdapterRef(adapter, home.adapters / adapter)

        monkeypatch.setattr(app._adapter_in_use, "_verified", whole)
        engine.refuse_swap = EngineFailed("RuntimeError")
        assert await app.sync_adapter() is None
        engine.refuse_swap = None
        assert (await app.sync_adapter()).adapter == "v1"
        assert await app.store.call(Store.promotions) == []


async def test_status_says_that_the_engine_failed(home, settings):
    """In English and in German, and the asker of a question is told to come back."""
    from dataclasses import replace

    from bot.i18n.language import speaking

    async with Nightshift.open(home, settings, engine=FakeEngine()) as app:
        status = await app.status()
    assert status_embed(status).description is None
    failed = replace(status, engine=replace(status.engine, failure="It failed."))
    assert "failed" in status_embed(failed).description
    with speaking("de"):
        assert "ausgefallen" in status_embed(failed).description
    assert failure_notice(EngineFailed("RuntimeError")) == texts.RESTARTING
