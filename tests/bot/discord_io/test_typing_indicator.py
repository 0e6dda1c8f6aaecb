"""The sign of life: bot/discord_io/typing_indicator.py."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.discord_io.typing_indicator import TypingIndicator


class Channel:
    """Counts how often somebody was seen typing."""

    id = 7

    def __init__(self, *, failure: Exception | None = None, seconds: float = 0.0) -> None:
        self.tried = self.shown = 0
        self._failure = failure
        self._seconds = seconds

    async def typing(self) -> None:
        self.tried += 1
        await asyncio.sleep(self._seconds)
        if self._failure is not None:
            raise self._failure
        self.shown += 1


@pytest.fixture
def typing_indicator():
    return TypingIndicator()


async def test_answers_in_one_channel_share_the_sign(typing_indicator):
    """Fifty questions need no fifty requests."""
    channel = Channel()
    async with typing_indicator.at(channel), typing_indicator.at(channel), typing_indicator.at(channel):
        assert channel.shown == 1


async def test_whoever_asks_after_a_message_of_the_bot_s_sees_it_again_at_once(typing_indicator):
    """The message ended the sign on Discord."""
    channel = Channel()
    async with typing_indicator.at(channel):
        typing_indicator.message_sent(channel.id)
        async with typing_indicator.at(channel):
            assert channel.shown == 2


async def test_those_who_still_wait_see_it_again_a_moment_later(typing_indicator, monkeypatch):
    """An answer to somebody else does not leave them in the dark."""
    monkeypatch.setattr("bot.discord_io.typing_indicator._PAUSE", 0.02)
    channel = Channel()
    async with typing_indicator.at(channel):
        typing_indicator.message_sent(channel.id)
        assert channel.shown == 1
        await asyncio.sleep(0.05)
        assert channel.shown == 2


async def test_with_the_last_answer_the_sign_ends(typing_indicator, monkeypatch):
    """Nothing goes on in the background."""
    monkeypatch.setattr("bot.discord_io.typing_indicator._AGAIN", 0.01)
    channel = Channel()
    async with typing_indicator.at(channel):
        pass
    shown = channel.shown
    await asyncio.sleep(0.05)
    assert channel.shown == shown


@pytest.mark.parametrize("failure", [PermissionError(), TimeoutError(), aiohttp.ServerDisconnectedError()])
async def test_a_sign_that_cannot_be_shown_keeps_nobody_from_an_answer(typing_indicator, failure):
    """It is a nicety, and is tried again for the next answer."""
    channel = Channel(failure=failure)
    for count in (1, 2):
        async with typing_indicator.at(channel):
            assert channel.tried == count


async def test_a_sign_that_takes_long_is_not_waited_for(typing_indicator, monkeypatch):
    """A Discord that does not answer would hold the answer up as long."""
    monkeypatch.setattr("bot.discord_io.typing_indicator._MOMENT", 0.02)
    channel = Channel(seconds=60.0)
    async with asyncio.timeout(1.0), typing_indicator.at(channel):
        assert channel.tried == 1
