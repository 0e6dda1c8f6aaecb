"""A bot that is killed, as a process of its own, and started again: nothing of its answers is lost or half done."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import discord
import pytest

from bot.i18n.en import texts
from tests.bot.loopback import BOT, REVIEW, Fault, until

ROOT = Path(__file__).parents[3]
PROGRAM = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
import discord, yarl
from bot.app import Nightshift
from bot.settings import load_settings
from storage.files.home import Home
from tests.fake_engine import FakeEngine

base, gateway, root, pause = sys.argv[1:]
discord.http.Route.BASE = base
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)


async def main():
    home = Home(Path(root)).ensure()
    settings = load_settings(home)
    config = replace(settings.discord, review_channel="review", edit_seconds=0.0)
    settings = settings.model_copy(update={"discord": config})
    engine = FakeEngine("one two three four")
    engine.pause_after = int(pause) or None
    async with Nightshift.open(home, settings, engine=engine) as app:
        await app.client.start("good")


asyncio.run(main())
"""


@pytest.fixture
def running(home):
    """Runs the bot; it is killed at the end of the block."""

    @asynccontextmanager
    async def start(place, *, pause=0):
        gateway = str(discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY)
        place._ready.clear()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, discord.http.Route.BASE, gateway, str(home.root), str(pause), cwd=ROOT
        )
        try:
            await asyncio.wait_for(place._ready.wait(), 30)
            yield
        finally:
            process.kill()
            await process.wait()

    return start


async def test_an_answer_killed_while_it_grows_is_cleaned_up(place, running):
    """It says that it was interrupted, and has no button to stop it any more."""
    async with running(place, pause=1):
        await place.say(f"<@{BOT}> Count")
        await until(lambda: place.said() == ["one"])
    assert place.buttons()[0].startswith("nightshift:stop")
    async with running(place):
        await until(lambda: place.said() == [f"one\n{texts.INTERRUPTED}"])
        assert place.buttons() == []


async def test_an_answer_killed_before_its_last_edit_is_finished(place, running, home):
    """It was stored before; the card comes too, and each once."""
    place.faults.extend([Fault("PATCH", "", 503)] * 100)
    async with running(place):
        await place.say(f"<@{BOT}> Count")
        await until(lambda: place.said() == ["one"])
        with sqlite3.connect(home.db) as db:
            await until(lambda: db.execute("select count(*) from replies").fetchone() == (1,))
    place.faults.clear()
    for _ in range(2):
        async with running(place):
            await until(lambda: place.said()[0].startswith("one two three four") and place.said(REVIEW))
    assert len(place.said()) == len(place.said(REVIEW)) == 1
    assert place.buttons() == ["nightshift:again"]
