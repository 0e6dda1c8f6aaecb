"""Two real `nightshift run` on one home, each with a shard of its own, and kill -9 of the one that leads."""

from __future__ import annotations

import asyncio

import pytest

from bot.i18n.en import texts
from storage.files.home import Home
from storage.store import Store
from tests.bot.loopback import BOT, until
from tests.torture.bot import SETTINGS, BotProcess
from tests.torture.program import answer_to


@pytest.fixture
async def pair(place, tmp_path):
    """The processes of both shards; that of shard 0 was there first."""
    home = Home(tmp_path / "home").ensure()
    home.config.write_text(SETTINGS, encoding="utf-8")
    both = [
        BotProcess(
            home,
            place,
            tmp_path / f"log{shard}.txt",
            {"NIGHTSHIFT_DISCORD__SHARDS": "2", "NIGHTSHIFT_DISCORD__SHARD_RANGE": str(shard)},
        )
        for shard in (0, 1)
    ]
    await both[0].start()
    await both[1].start(wait_s=0)
    await until(lambda: "shard 1 of 2" in place.sessions, 90)
    yield both
    for one in both:
        await one.kill()


def leads(process):
    """Whether the lease in the database is this process's."""
    with Store.open(process.home.db) as store:
        lease = store.lease("lead")
    return lease is not None and f"process {process.pid}," in lease.holder


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_killed_leader_is_replaced_and_its_answers_wait_for_its_own_shard(pair, place):
    """With the real pauses: the other leads within a minute, and leaves the half answer to who serves that server."""
    one, two = pair
    assert leads(one)
    await place.say(f"<@{BOT}> w1")
    await until(lambda: answer_to("w1") in place.said(), 30)
    await place.say(f"<@{BOT}> w2")
    await until(lambda: len(place.said()) > 1, 30)  # it grows
    await one.kill()
    await asyncio.sleep(0.5)
    half = place.said()
    await until(lambda: leads(two), 60)
    assert place.said() == half
    await one.start()
    await until(lambda: place.said()[-1] == answer_to("w2") or texts.INTERRUPTED in place.said()[-1], 60)
    await place.say(f"<@{BOT}> w3")
    await until(lambda: answer_to("w3") in place.said(), 30)
    assert leads(two)
    assert await two.stop() in (0, 130)
    await until(lambda: leads(one), 30)
    assert "Traceback" not in one.said() + two.said()
