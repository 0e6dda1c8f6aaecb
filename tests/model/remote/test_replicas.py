"""Several servers behind one name: replies go to the least busy, and each is given a new adapter in its turn."""

from __future__ import annotations

import asyncio

import pytest

from model.errors import AdapterMismatch, GenerationFailed, ServerUnavailable
from tests.model.remote.conftest import ASK, ask, until
from tests.model_server import Cut, Silence, Status


async def test_replies_go_to_the_replica_with_the_fewest(server, second, remote):
    """Eight at once are four each."""
    engine = await remote(server, second)
    for one in (server, second):
        one.open.clear()
    replies = [engine.submit(ASK) for _ in range(8)]
    await until(lambda: len(server.requests) + len(second.requests) == 8)
    assert (len(server.requests), len(second.requests)) == (4, 4)
    for one in (server, second):
        one.open.set()
    await asyncio.gather(*(one.wait() for one in replies))


@pytest.mark.parametrize("fault", [Status(500), Status(503), Status(429), Silence(), Cut()])
async def test_another_replica_takes_over_before_the_first_word(server, second, remote, fault):
    """Nobody notices the one that failed."""
    engine = await remote(server, second)
    server.faults.append(fault)
    assert (await ask(engine)).text == "base: one two three"
    assert (len(server.requests), len(second.requests)) == (1, 1)


async def test_after_the_first_word_no_other_replica_begins_anew(server, second, remote):
    """Half of one reply and half of another make none."""
    engine = await remote(server, second)
    server.faults.append(Cut(2))
    with pytest.raises(GenerationFailed):
        await ask(engine)
    assert second.requests == []


async def test_new_replies_get_the_adapter_when_every_replica_has_it(server, second, remote, tiny):
    """One loads it after the other, and until then the old voice answers everywhere."""
    engine = await remote(server, second)
    await engine.swap(tiny.a)
    second.load_faults.append(Silence())
    swap = asyncio.create_task(engine.swap(tiny.b))
    await until(lambda: any(name.startswith("b-") for name in server.adapters))
    assert [(await ask(engine)).adapter for _ in range(4)] == ["a"] * 4
    with pytest.raises(AdapterMismatch):
        await swap
    assert engine.adapter == "a"
    assert not any(name.startswith("b-") for one in (server, second) for name in one.adapters)
    await engine.swap(tiny.b)
    assert {(await ask(engine)).text.partition("-")[0] for _ in range(4)} == {"b"}


async def test_a_replica_that_is_away_during_a_swap_gets_the_adapter_when_it_is_back(server, second, remote, tiny):
    """And answers nothing before."""
    engine = await remote(server, second, look_seconds=0.2)
    await engine.swap(tiny.a)
    await second.stop()
    await engine.swap(tiny.b)
    await second.start()
    await until(lambda: any(name.startswith("b-") for name in second.adapters))
    await until(lambda: "(" not in engine.stats().details["servers"])
    for one in (server, second):
        one.requests.clear()
    assert {(await ask(engine)).adapter for _ in range(6)} == {"b"}


async def test_only_when_no_replica_is_left_nothing_is_answered(server, second, remote):
    """One of two suffices."""
    engine = await remote(server, second)
    await server.stop()
    assert [(await ask(engine)).text for _ in range(3)] == ["base: one two three"] * 3
    await second.stop()
    with pytest.raises(ServerUnavailable):
        await ask(engine)
