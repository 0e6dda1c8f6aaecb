"""The faults that told most when they were made by hand, each on a real `nightshift run`."""

from __future__ import annotations

import asyncio
import signal
import sqlite3

import pytest

from bot.i18n.en import moderation as words
from bot.i18n.en import texts
from storage.files.home import Home
from tests.bot.loopback import BOT, GENERAL, REVIEW, Fault, until
from tests.torture.bot import SETTINGS, BotProcess
from tests.torture.program import answer_to


@pytest.fixture
async def bot(place, tmp_path):
    """A bot that is on the gateway; whatever a test did to it, it is gone afterwards."""
    home = Home(tmp_path / "home").ensure()
    home.config.write_text(SETTINGS, encoding="utf-8")
    process = BotProcess(home, place, tmp_path / "log.txt")
    await process.start()
    yield process
    await process.kill()


async def ask(place, word):
    return await place.say(f"<@{BOT}> {word}")


def rows(bot, query):
    with sqlite3.connect(bot.home.db) as db:
        return db.execute(query).fetchall()


async def answered(place, word, seconds=20.0):
    await until(lambda: answer_to(word) in place.said(), seconds)


async def test_an_answer_cut_by_a_kill_is_finished_or_named(bot, place):
    """Whatever the bot was doing when it was killed: no half answer stands there after the next start."""
    for number in range(3):
        await ask(place, f"w{number}")
        await asyncio.sleep(0.1 * number)
        await bot.kill()
        await bot.start()
        await asyncio.sleep(0.2)
    await until(
        lambda: all(
            text in {answer_to(f"w{number}") for number in range(3)} or texts.INTERRUPTED in text
            for text in place.said()
        ),
        40,
    )


async def test_an_acknowledged_verdict_survives_a_kill(bot, place):
    """What a moderator read as done is in the store."""
    await ask(place, "kept")
    await until(lambda: place.said(REVIEW) or place.messages[REVIEW], 20)
    (card,) = place.messages[REVIEW].values()
    used = await place.press("nightshift:approve:1", channel=REVIEW, message=int(card["id"]), who=3)
    await until(lambda: used.said)
    await bot.kill()
    assert rows(bot, "select verdict from reviews") == [("approve",)]
    assert used.said[0] == words.ruling("approve", "m3", None)
    await bot.start()
    undone = await place.press("nightshift:undo:1", channel=REVIEW, message=int(card["id"]), who=3)
    await until(lambda: undone.said)
    assert rows(bot, "select verdict from reviews order by id") == [("approve",), ("undo",)]


async def test_a_term_signal_ends_it_in_time_and_well(bot, place):
    """In the middle of an answer: exit code 130 or 0 within ten seconds, and the answer is not left half said."""
    await ask(place, "leaving")
    await until(place.said, 20)
    async with asyncio.timeout(10):
        assert await bot.stop() in (0, 130)
    await bot.start()
    await until(lambda: not [text for text in place.said() if text in answer_to("leaving")[:-1]], 30)
    assert rows(bot, "pragma integrity_check") == [("ok",)]


async def test_a_stopped_process_goes_on_where_it_was(bot, place):
    """A laptop that sleeps for a moment: the answer comes, once."""
    await ask(place, "asleep")
    bot.signal(signal.SIGSTOP)
    await asyncio.sleep(3)
    bot.signal(signal.SIGCONT)
    await answered(place, "asleep")
    await asyncio.sleep(1)
    assert place.said().count(answer_to("asleep")) == 1


async def test_a_full_disk_is_said_and_the_next_answer_is_stored(bot, place):
    """The member reads the answer and that it was not stored; with room again, all is as before."""
    await ask(place, "before")
    await answered(place, "before")
    with bot.full_disk():
        await ask(place, "full")
        await until(lambda: any("full" in text for text in place.said()), 20)
        await asyncio.sleep(1)
    await ask(place, "after")
    await answered(place, "after")
    await until(lambda: answer_to("after") in [text for (text,) in rows(bot, "select text from replies")], 20)
    assert bot.running
    assert rows(bot, "pragma integrity_check") == [("ok",)]


async def test_a_database_that_is_locked_for_a_while_loses_no_answer(bot, place):
    """Longer than a writer waits."""
    with bot.locked_database():
        await ask(place, "locked")
        await asyncio.sleep(12)
    await until(lambda: any(answer_to("locked") in text for text in place.said()), 30)
    assert bot.running


async def test_a_post_whose_answer_was_lost_is_not_posted_twice(bot, place):
    """Discord carried it out, and the connection was cut before the bot heard of it."""
    place.faults.append(Fault("POST", f"/channels/{GENERAL}/messages", 0, carried_out=True))
    await ask(place, "once")
    await answered(place, "once")
    assert len([text for text in place.said() if "once" in text]) == 1


async def test_an_event_that_is_told_again_is_answered_once(bot, place):
    """As after a connection that was resumed."""
    await ask(place, "again")
    await answered(place, "again")
    await place.lose(tell_again=1)
    await asyncio.sleep(1)
    assert place.said().count(answer_to("again")) == 1


async def test_a_session_that_cannot_be_resumed_is_begun_anew(bot, place):
    """And the bot answers in it."""
    place.forgotten = True
    await place.lose()
    await ask(place, "anew")
    await answered(place, "anew")


async def test_a_storm_of_errors_delays_an_answer_and_loses_none(bot, place):
    """Discord is away for some seconds."""
    place.storm = 502
    await ask(place, "storm")
    await asyncio.sleep(4)
    place.storm = None
    await answered(place, "storm", 60)
    assert place.said().count(answer_to("storm")) == 1


async def test_a_reset_token_ends_it_with_a_sentence(bot, place):
    """Exit code 1; a service manager that starts it again gets the same sentence at once."""
    place.reset = True
    await ask(place, "lost")
    assert await bot.ended(60) == 1
    assert "token" in bot.said().splitlines()[-1]
    await bot.start(wait_s=0)
    assert await bot.ended() == 1


async def test_a_second_bot_on_the_same_home_is_refused(bot, place, tmp_path):
    """With the process that holds it; the first goes on."""
    second = BotProcess(bot.home, place, tmp_path / "second.txt")
    await second.start(wait_s=0)
    assert await second.ended() == 1
    assert "Another Nightshift" in second.said()
    await ask(place, "first")
    await answered(place, "first")


async def test_forgotten_words_do_not_come_back(bot, place):
    """Acknowledged, then killed at once: after the next start no byte of them is in the home."""
    await ask(place, "unforgettable")
    await answered(place, "unforgettable")
    used = await place.command("privacy", "forget")
    await until(lambda: used.custom_ids)
    confirmed = await place.press(used.custom_ids[0], channel=GENERAL, message=used.messages[0])
    await until(lambda: confirmed.said)
    await bot.kill()
    await bot.start()
    await asyncio.sleep(2)
    assert await bot.stop() in (0, 130)
    assert not [path for path in bot.home.root.rglob("*") if path.is_file() and b"unforgettable" in path.read_bytes()]
