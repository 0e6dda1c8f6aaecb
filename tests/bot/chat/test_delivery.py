"""An answer that exists is never thrown away: it is stored first, and shown when Discord is back, also after a restart.

The real client on a Discord of this machine's own (tests/bot/loopback.py); its pauses are real ones.
"""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from bot.discord_io.edit_budget import EditBudget
from bot.i18n.en import texts
from storage.store import Store
from tests.bot.loopback import BOT, GENERAL, MEMBER, REVIEW, Fault, until
from tests.fake_engine import FakeEngine

POSTED = f"/channels/{GENERAL}/messages"
WHOLE = "one two three four"


@pytest.fixture
def engine():
    engine = FakeEngine(WHOLE)
    engine.pause_after = 1
    return engine


async def half_said(place):
    """A question whose answer has begun; returns the number of its message."""
    await place.say(f"<@{BOT}> Count")
    await until(lambda: place.said() == ["one"])
    (number,) = [n for n, one in place.messages[GENERAL].items() if one["content"] == "one"]
    return number


def go_on(engine):
    engine.pause_after = None
    engine.open.set()


async def stored(app):
    return [one.text for one in await app.store.call(Store.recent_pending, 10)]


async def until_stored(app, count=1):
    for _ in range(500):
        if len(await stored(app)) == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(await stored(app))


async def shown_whole(place):
    """The whole answer stands there once, without a button to stop it, and has one card."""
    await until(lambda: place.said() == [WHOLE] and len(place.said(REVIEW)) == 1)
    assert place.buttons() == ["nightshift:again"]


async def left(app):
    return await app.store.call(lambda store: (store.outbox.waiting(10), store.outbox.unfinished()))


async def test_a_discord_that_takes_long_to_fail_holds_no_words_up(online, place, engine, monkeypatch):
    """discord.py tries an edit again for half a minute; the answer is stored meanwhile."""
    monkeypatch.setattr("bot.chat.answering._EDIT_SECONDS", 0.2)
    async with online(place, engine) as app:
        await half_said(place)
        place.storm = 500
        go_on(engine)
        await until_stored(app)
        place.storm = None
        await shown_whole(place)


@pytest.mark.parametrize("status", [503, 429, 0])
async def test_a_storm_that_outlasts_every_attempt_is_waited_for(online, place, engine, status):
    """The text is kept; the message is finished and the card posted when Discord is back."""
    async with online(place, engine) as app:
        await half_said(place)
        place.storm = status
        go_on(engine)
        await until_stored(app)
        await until(lambda: not app.client.answering._running, 60.0)
        assert place.said() == ["one"]
        assert await stored(app) == [WHOLE]
        place.storm = None
        await shown_whole(place)
        for _ in range(500):
            if await left(app) == ([], []):
                break
            await asyncio.sleep(0.01)
        assert await left(app) == ([], [])


async def test_a_429_of_the_network_in_front_of_discord_is_tried_again(online, place, engine):
    """discord.py gives up on it at once, where the last edit of an answer is at stake."""
    async with online(place, engine):
        number = await half_said(place)
        place.faults.append(Fault("PATCH", f"{POSTED}/{number}", 429, via=False))
        go_on(engine)
        await shown_whole(place)


async def test_an_answer_is_finished_after_a_restart(online, place, engine):
    """The process ended while Discord was away."""
    async with online(place, engine) as app:
        await half_said(place)
        place.storm = 503
        go_on(engine)
        await until_stored(app)
        await until(lambda: not app.client.answering._running)
    place.storm = None
    async with online(place):
        await shown_whole(place)


async def test_an_answer_that_was_never_shown_is_posted_after_a_restart(online, place):
    """As a reply to its question, once."""
    engine = FakeEngine(WHOLE)
    engine.open.clear()
    async with online(place, engine) as app:
        question = await place.say(f"<@{BOT}> Count")
        await until(lambda: engine.seen)
        place.storm = 503
        go_on(engine)
        await until_stored(app)
        await until(lambda: not app.client.answering._running)
    place.storm = None
    async with online(place) as app:
        await shown_whole(place)
        (answer,) = [one for one in place.messages[GENERAL].values() if one["content"] == WHOLE]
        assert answer["message_reference"]["message_id"] == str(question)
        assert (await app.store.call(Store.reply_by_message, int(answer["id"]))).text == WHOLE


async def test_what_was_posted_and_not_noted_is_not_posted_again(online, place, home):
    """The process ended between the two; Discord has forgotten the nonce since."""
    async with online(place, FakeEngine(WHOLE)) as app:
        await place.say(f"<@{BOT}> Count")
        await shown_whole(place)
        await until(lambda: not app.client.answering._running)
    with sqlite3.connect(home.db) as db:
        db.execute("update replies set message_id = null")
        details = '{"heading": "", "aside": "", "messages": [], "number": "77"}'
        db.execute("insert into outbox (reply_id, kind, details, created_at) values (1, 'answer', ?, '')", [details])
        db.execute("insert into outbox (reply_id, kind, details, created_at) values (1, 'card', '{}', '')")
    place._nonces.clear()
    async with online(place) as app:
        for _ in range(500):
            if await left(app) == ([], []):
                break
            await asyncio.sleep(0.01)
        assert await left(app) == ([], [])
        await shown_whole(place)
        assert (await app.store.call(Store.reply, 1)).message_id is not None


async def test_an_answer_of_several_messages_is_finished_after_a_restart(online, place, monkeypatch):
    """Parts that stand there already are not posted again."""
    monkeypatch.setattr(EditBudget.__init__, "__defaults__", (1000, 1.0))  # edits, in so many seconds
    long = f"{'x' * 300} " * 17
    engine = FakeEngine(long)
    engine.pause_after = 9
    async with online(place, engine) as app:
        await place.say(f"<@{BOT}> Tell me")
        await until(lambda: len(place.said()) == 2)
        place.storm = 503
        go_on(engine)
        await until_stored(app)
        await until(lambda: not app.client.answering._running, 30.0)
    place.storm = None
    async with online(place) as app:
        await until(lambda: " ".join(place.said()).split() == long.split())
        assert len(place.said()) == 3
        assert place.buttons() == ["nightshift:again"]


REFUSALS = [
    pytest.param(403, {"message": "Missing Permissions", "code": 50013}, id="403"),
    pytest.param(400, {"message": "Invalid Form Body", "code": 50035}, id="400"),
    pytest.param(429, {"message": "Too many edits", "code": 30046, "retry_after": 3600.0}, id="an hour"),
    pytest.param(429, {"message": "Too many edits", "code": 30046}, id="for who knows how long"),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_an_answer_whose_edits_are_refused_is_posted_anew(online, place, engine, status, body):
    """The half that stood there goes, and with it its dead button."""
    async with online(place, engine) as app:
        number = await half_said(place)
        place.faults.extend([Fault("PATCH", f"{POSTED}/{number}", status, body=body)] * 20)
        go_on(engine)
        await shown_whole(place)
        await until(lambda: not app.client.answering._running)
        assert number not in place.messages[GENERAL]
        (reply,) = await app.store.call(Store.recent_pending, 10)
        assert (reply.text, reply.redacted) == (WHOLE, False)
        assert reply.message_id in place.messages[GENERAL]


async def test_a_text_that_discord_refuses_is_stored_and_a_sentence_stands_there(online, place, engine):
    """A filter that takes the text in no message: the asker reads so, and moderators have the text."""
    body = {"message": "Message blocked by harmful links filter", "code": 240000}
    async with online(place, engine) as app:
        number = await half_said(place)
        place.faults.extend([Fault("PATCH", f"{POSTED}/{number}", 400, body=body)] * 2)  # one on the way, and the last
        place.faults.append(Fault("POST", POSTED, 400, body=body))
        go_on(engine)
        await until(lambda: place.said() == [texts.NOT_TAKEN] and place.said(REVIEW))
        assert await stored(app) == [WHOLE]
        assert place.buttons() == []


@pytest.mark.parametrize("status", [500, 503, 0])
async def test_a_message_whose_answer_was_lost_is_brought_up_to_date(online, place, status):
    """Discord had posted the first words, and gives that message for every attempt with its nonce."""
    engine = FakeEngine(WHOLE)
    engine.pause_after = 1
    place.faults.append(Fault("POST", POSTED, status, carried_out=True))
    async with online(place, engine):
        await place.say(f"<@{BOT}> Count")
        await until(lambda: place.said() == ["one"])
        await until(lambda: not place.faults)
        go_on(engine)
        await shown_whole(place)


async def test_an_answer_that_nobody_writes_any_more_is_cleaned_up(online, place, engine):
    """The process was gone before its end: the asker reads so, and the button to stop goes."""
    async with online(place, engine):
        await half_said(place)
        place.storm = 503  # so that no farewell is said, as after kill -9
    place.storm = None
    async with online(place):
        await until(lambda: place.said() == [f"one\n{texts.INTERRUPTED}"])
        assert place.buttons() == []


async def test_an_answer_that_nothing_was_noted_of_is_cleaned_up(online, place, home):
    """The newest messages of a channel show it."""
    async with online(place, FakeEngine("Oak.")) as app:
        await place.say(f"<@{BOT}> Which wood?")
        await until(lambda: place.said(REVIEW) and not app.client.answering._running)
        engine = app.engine
        engine.say(WHOLE)
        engine.pause_after = 1
        await place.say(f"<@{BOT}> Count")
        await until(lambda: place.said() == ["Oak.", "one"])
        place.storm = 503
    with sqlite3.connect(home.db) as db:
        db.execute("delete from growing")
    place.storm = None
    async with online(place):
        await until(lambda: place.said() == ["Oak.", f"one\n{texts.INTERRUPTED}"])
        assert place.buttons() == ["nightshift:again"]


async def test_a_write_that_fails_is_said_to_the_asker_and_logged(online, place, engine, caplog):
    """Here the disk takes nothing more; the words that there are stand there."""
    async with online(place, engine, introduce=True) as app:
        await half_said(place)
        await app.store.call(lambda store: store._db.execute("pragma query_only = on"))
        go_on(engine)
        await until(lambda: place.said() == [WHOLE + texts.UNSTORED])
        await until(lambda: not app.client.answering._running)
        assert "could not be stored" in caplog.text
        assert place.buttons() == []


async def test_an_answer_that_could_not_be_stored_still_needs_its_asker_s_consent_elsewhere(online, place, home):
    """Where it is shown in another member's conversation: Discord says whom it answered."""
    async with online(place, FakeEngine("Oak for ada.", "Ash."), introduce=False) as app:
        await app.store.call(lambda store: store._db.execute("pragma query_only = on"))
        await place.say(f"<@{BOT}> Which wood?")
        await until(lambda: place.said() and place.said()[0].startswith("Oak for ada."))
        await until(lambda: not app.client.answering._running)
        await app.store.call(lambda store: store._db.execute("pragma query_only = off"))
        await place.say(f"<@{BOT}> And for me?", who=4)
        await until(lambda: len(place.said()) == 2 and place.said()[1] == "Ash.")
        await until(lambda: not app.client.answering._running)
        people = await app.store.call(lambda store: store.people_in_reply(1))
        assert people == {MEMBER, 4}


async def test_a_database_that_another_process_holds_costs_no_answer(online, place, engine, home, monkeypatch):
    """It is waited for, and then said."""
    async with online(place, engine, introduce=True) as app:
        await app.store.call(lambda store: store._db.execute("pragma busy_timeout = 200"))
        await half_said(place)
        other = sqlite3.connect(home.db, isolation_level=None)
        other.execute("begin immediate")
        go_on(engine)
        await until(lambda: place.said() == [WHOLE + texts.UNSTORED])
        other.execute("rollback")
        other.close()


async def test_the_line_for_new_members_is_noted_after_the_answer(online, place):
    """Whoever was told is not told again, and one who was not, is."""
    async with online(place, FakeEngine("Oak.", "Ash."), introduce=True) as app:
        await place.say(f"<@{BOT}> Which wood?")
        await until(lambda: place.said() == ["Oak." + texts.introduction(False, "commands")])
        await until(lambda: not app.client.answering._running)
        await place.say(f"<@{BOT}> Which other?")
        await until(lambda: place.said()[1:] == ["Ash."])
