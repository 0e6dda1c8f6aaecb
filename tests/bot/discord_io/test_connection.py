"""What becomes of answers when Discord fails, limits or drops the bot: nothing is lost and nothing is posted twice.

The real client on a Discord of this machine's own (tests/bot/loopback.py); its pauses are real ones.
"""

from __future__ import annotations

import asyncio

import pytest

from storage.origins import ORIGINS
from storage.store import Store
from tests.bot.loopback import BOT, GENERAL, REVIEW, Fault, until
from tests.fake_engine import FakeEngine

POSTED = f"/channels/{GENERAL}/messages"
CARD = f"/channels/{REVIEW}/messages"
LIMITED = {"message": "You are being rate limited.", "retry_after": 0.05, "global": False}


def posts(place, path=POSTED):
    return place.requests.count(("POST", path))


async def answered(place, app, count=1):
    """Wait until so many answers stand in #general, are stored, and have their cards."""
    await until(lambda: len(place.said()) >= count and len(place.said(REVIEW)) >= count)
    assert (await app.store.call(Store.counts, learn_from=ORIGINS)).pending == count


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", POSTED, 500, carried_out=True),
        Fault("POST", POSTED, 502),
        Fault("POST", POSTED, 503, carried_out=True),
        Fault("POST", POSTED, 0, carried_out=True),
        Fault("POST", POSTED, 429, body=LIMITED),
        Fault("POST", POSTED, 429, body={**LIMITED, "global": True}),
    ],
    ids=["500 after posting", "502", "503 after posting", "cut after posting", "limited", "limited everywhere"],
)
async def test_an_answer_whose_sending_fails_is_sent_again_and_stands_there_once(online, place, fault):
    """Discord knows the second attempt by its nonce, also where it had carried out the first."""
    place.faults.append(fault)
    async with online(place) as app:
        await place.say(f"<@{BOT}> Which wood?")
        await answered(place, app)
        assert place.said() == ["You said: Which wood?"]
        assert posts(place) == 2
        assert not place.faults


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503, 0])
async def test_a_failed_typing_sign_costs_no_answer(online, place, status):
    """It is a nicety."""
    place.faults.extend([Fault("POST", f"/channels/{GENERAL}/typing", status)] * 5)
    async with online(place) as app:
        await place.say(f"<@{BOT}> Which wood?")
        await answered(place, app)
        assert place.said() == ["You said: Which wood?"]


@pytest.mark.parametrize("status", [400, 403, 500, 503, 0])
async def test_a_history_that_cannot_be_read_costs_no_answer(online, place, status, monkeypatch):
    """The question is answered by itself."""
    monkeypatch.setattr("bot.chat.history._HISTORY_SECONDS", 0.5)
    place.faults.extend([Fault("GET", f"/channels/{GENERAL}/messages", status)] * 5)
    async with online(place) as app:
        await place.say(f"<@{BOT}> Which wood?")
        await answered(place, app)
        assert place.said() == ["You said: Which wood?"]


@pytest.mark.parametrize("status", [500, 503, 0])
async def test_the_last_edit_of_an_answer_is_made_again(online, place, status):
    """What stands there in the end is the whole answer."""
    engine = FakeEngine("one two three four")
    engine.pause_after = 1
    async with online(place, engine) as app:
        await place.say(f"<@{BOT}> Count")
        await until(lambda: place.said() == ["one"])
        (number,) = [n for n, one in place.messages[GENERAL].items() if one["content"] == "one"]
        place.faults.append(Fault("PATCH", f"{POSTED}/{number}", status))
        engine.pause_after = None
        engine.open.set()
        await answered(place, app)
        assert place.said() == ["one two three four"]


async def test_a_growing_answer_outlives_a_broken_network(online, place):
    """An edit on the way that fails is left out; the words go on."""
    engine = FakeEngine("one two three four")
    engine.pause_after = 1
    async with online(place, engine) as app:
        await place.say(f"<@{BOT}> Count")
        await until(lambda: place.said() == ["one"])
        (number,) = [n for n, one in place.messages[GENERAL].items() if one["content"] == "one"]
        place.faults.extend([Fault("PATCH", f"{POSTED}/{number}", 0)] * 2)
        engine.pause_after = None
        engine.open.set()
        await answered(place, app)
        assert place.said() == ["one two three four"]


@pytest.mark.parametrize("status", [500, 0])
async def test_a_card_is_posted_once(online, place, status):
    """Moderators judge a reply on one card."""
    place.faults.append(Fault("POST", CARD, status, carried_out=True))
    async with online(place) as app:
        await place.say(f"<@{BOT}> Which wood?")
        await until(lambda: posts(place, CARD) == 2 and not app.client.answering._running)
        assert len(place.said(REVIEW)) == 1


async def test_a_discord_that_refuses_for_good_leaves_the_bot_running(online, place):
    """The next question is answered."""
    async with online(place) as app:
        place.faults.extend([Fault("POST", POSTED, 503)] * 9)
        await place.say(f"<@{BOT}> Which wood?")
        await until(lambda: posts(place) >= 4 and not app.client.answering._running)
        place.faults.clear()
        await place.say(f"<@{BOT}> And which oil?")
        await until(lambda: place.said() == ["You said: And which oil?"])


async def test_what_a_resumed_session_tells_again_is_answered_once(online, place):
    """Discord repeats what it does not know to have arrived."""
    async with online(place) as app:
        await place.say(f"<@{BOT}> Which wood?")
        await answered(place, app)
        await place.lose(tell_again=1)
        await place.say(f"<@{BOT}> And which oil?")
        await answered(place, app, 2)
        assert place.said() == ["You said: Which wood?", "You said: And which oil?"]
        assert place.sessions == ["identified", "resumed"]


async def test_an_answer_being_written_outlives_the_gateway(online, place):
    """It needs no gateway to be finished."""
    engine = FakeEngine("one two three")
    engine.pause_after = 1
    async with online(place, engine) as app:
        await place.say(f"<@{BOT}> Count")
        await until(lambda: place.said() == ["one"])
        await place.lose(tell_again=1)
        engine.pause_after = None
        engine.open.set()
        await answered(place, app)
        assert place.said() == ["one two three"]


async def test_what_was_deleted_while_the_session_was_lost_is_found_out(online, place):
    """A session that cannot be resumed tells nothing of what happened meanwhile, so the bot looks."""
    async with online(place) as app:
        question = await place.say(f"<@{BOT}> my secret tea")
        await answered(place, app)
        await until(lambda: not app.client._loops.deleted.is_running())
        place.forgotten = True
        del place.messages[GENERAL][question]
        await place.lose()
        await until(lambda: place.sessions == ["identified", "identified"])
        for _ in range(500):
            if (await app.store.call(Store.reply, 1)).redacted:
                break
            await asyncio.sleep(0.01)
        assert "tea" not in repr(await app.store.call(Store.reply, 1))
