"""The sign of life: bot/typist.py."""

from __future__ import annotations

import asyncio

import pytest

from bot.typist import Typist


class Channel:
    """Counts how often somebody was seen typing."""

    id = 7

    def __init__(self, *, closed: bool = False) -> None:
        self.shown = 0
        self._closed = closed

    async def typing(self) -> None:
        if self._closed:
            raise PermissionError
        self.shown += 1


@pytest.fixture
def typist():
    return Typist()


async def test_answers_in_one_channel_share_the_sign(typist):
    """Fifty questions need no fifty requests."""
    channel = Channel()
    async with typist.at(channel), typist.at(channel), typist.at(channel):
        assert channel.shown == 1


async def test_whoever_asks_after_a_message_of_the_bot_s_sees_it_again_at_once(typist):
    """The message ended the sign on Discord."""
    channel = Channel()
    async with typist.at(channel):
        typist.spoke(channel.id)
        async with typist.at(channel):
            assert channel.shown == 2


async def test_those_who_still_wait_see_it_again_a_moment_later(typist, monkeypatch):
    """An answer to somebody else does not leave them in the dark."""
    monkeypatch.setattr("bot.typist._PAUSE", 0.02)
    channel = Channel()
    async with typist.at(channel):
        typist.spoke(channel.id)
        assert channel.shown == 1
        await asyncio.sleep(0.05)
        assert channel.shown == 2


async def test_with_the_last_answer_the_sign_ends(typist, monkeypatch):
    """Nothing goes on in the background."""
    monkeypatch.setattr("bot.typist._AGAIN", 0.01)
    channel = Channel()
    async with typist.at(channel):
        pass
    shown = channel.shown
    await asyncio.sleep(0.05)
    assert channel.shown == shown


async def test_a_channel_that_is_closed_to_the_bot_is_an_error_every_time(typist):
    """So nothing is generated for it."""
    for _ in range(2):
        with pytest.raises(PermissionError):
            async with typist.at(Channel(closed=True)):
                raise AssertionError
