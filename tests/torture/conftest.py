"""A Discord on the loopback for the tests that start real processes."""

from __future__ import annotations

import pytest

from tests.bot.loopback import loopback


@pytest.fixture
async def place(monkeypatch):
    """Its one server is on shard 0, however many shards there are."""
    async with loopback(monkeypatch) as opened:
        yield opened
