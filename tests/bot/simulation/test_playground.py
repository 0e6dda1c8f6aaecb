"""The playground as a browser finds it: bot/simulation/playground.py."""

from __future__ import annotations

import asyncio

import aiohttp

from bot.simulation.playground import serve_playground
from tests.fake_engine import FakeEngine


async def test_the_playground_prints_an_address_and_ends_when_cancelled(home, settings):
    """The page is served on this machine while it runs, and is gone when it is stopped; the engine is closed."""
    engine, said = FakeEngine(), asyncio.Queue()
    task = asyncio.create_task(serve_playground(home, settings, say=said.put_nowait, engine=engine))
    while not (line := await asyncio.wait_for(said.get(), 30)).startswith("Open "):
        pass
    address = line.removeprefix("Open ")
    assert address.startswith("http://127.0.0.1:")
    async with aiohttp.ClientSession() as session, session.get(address) as page:
        assert page.status == 200
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert engine.closed
    async with aiohttp.ClientSession() as session:
        try:
            await session.get(address)
        except aiohttp.ClientConnectionError:
            return
    raise AssertionError("the address still answers")
