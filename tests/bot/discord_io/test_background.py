"""Work in the background fails aloud, once, and is done again."""

from __future__ import annotations

import asyncio

import pytest

from bot.discord_io.background import BackgroundTask
from bot.i18n.en import texts
from bot.i18n.language import speaking


@pytest.mark.parametrize("name", sorted(texts.BACKGROUND))
async def test_the_operator_hears_of_the_first_failure_in_a_row(name):
    """Three failures are said once; after it went well, the next is news again."""
    said, outcome = [], [None]

    async def work():
        if outcome[0] is not None:
            raise outcome[0]

    async def announce(text):
        said.append(text())
        return True

    task = BackgroundTask(name, work, announce)
    for error in (None, ValueError("odd"), OSError("odd"), ValueError("odd"), None, ValueError("odd")):
        outcome[0] = error
        await task()
    assert said == [texts.background_failed(name)] * 2
    with speaking("de"):
        assert "fehlgeschlagen" in texts.background_failed(name)


async def test_what_nobody_could_be_told_is_told_later():
    """No channel yet, then no network, then somebody hears it."""
    answers = [False, OSError("no network"), True]

    async def work():
        raise ValueError("odd")

    async def announce(_text):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    task = BackgroundTask("adapter", work, announce)
    for _ in range(4):
        await task()
    assert answers == []


async def test_stopping_is_no_failure():
    """A task that is cancelled ends."""

    async def announce(_text):
        raise AssertionError("nothing failed")

    running = asyncio.ensure_future(BackgroundTask("adapter", asyncio.Event().wait, announce)())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_an_adapter_that_cannot_be_looked_for_is_announced_in_the_review_channel(stage, monkeypatch):
    """The whole way, in a simulated Discord."""
    app = stage.app

    async def broken():
        raise OSError("odd")

    monkeypatch.setattr(app, "sync_adapter", broken)
    await app.client._loops.poll.coro()
    review = app.client.moderators.review_channel(app.client.guilds[0])
    messages = [message async for message in review.history()]
    assert any(m.embeds[0].description == texts.background_failed("adapter") for m in messages if m.embeds)
