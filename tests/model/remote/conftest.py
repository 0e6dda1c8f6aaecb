"""Engines on scripted model servers, and two adapters of a tiny base."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from model.chat import Message
from model.config import EngineConfig
from model.remote.engine import RemoteEngine
from tests.model_server import serving

ASK = [Message("user", "Hello there")]


@pytest.fixture
async def server():
    async with serving() as one:
        yield one


@pytest.fixture
async def second():
    async with serving() as one:
        yield one


@pytest.fixture
async def remote(tiny):
    """Start engines on servers; they are closed after the test."""
    engines = []

    async def start(*servers, key="", local=None, **changes):
        fast = {"silence_seconds": 0.5, "load_seconds": 0.5, "look_seconds": 30.0}
        config = EngineConfig(url=tuple(one.url for one in servers), **(fast | changes))
        engines.append(await RemoteEngine.start(replace(tiny.config, **(local or {})), config, tiny.cache, key))
        return engines[-1]

    yield start
    for engine in engines:
        await engine.close()


async def until(true, seconds=10.0):
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - nothing tells when a server has seen something
            await asyncio.sleep(0.01)


async def ask(engine, *, sampling=None, **options):
    """A whole reply."""
    more = {"sampling": sampling} if sampling else {}
    return await engine.submit(ASK, **more, **options).wait()
