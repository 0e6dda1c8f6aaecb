"""The upload of commands and the watch over the token: what Discord may answer there without ending the bot.

The real client on a Discord of this machine's own (tests/bot/loopback.py).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from bot import login
from bot.app import Nightshift
from bot.discord_io import command_upload
from bot.errors import ConnectionRefused, IntentMissing, TokenReset
from bot.login import serve
from bot.settings import load_settings
from storage.store import Store
from tests.bot.loopback import BOT, GENERAL, Fault, loopback, until
from tests.fake_engine import FakeEngine

COMMANDS = "/applications/1/commands"


def uploads(discord_):
    return discord_.requests.count(("PUT", COMMANDS))


async def start(online, discord_):
    """The bot starts and ends."""
    async with online(discord_) as app:
        await app.client.wait_until_ready()


async def answers(discord_):
    """The bot is there and answers."""
    await discord_.say(f"<@{BOT}> Which wood?")
    await until(lambda: discord_.said() == ["You said: Which wood?"])


@pytest.mark.parametrize("status", [503, 400, 403, 0])
async def test_a_refused_upload_leaves_the_bot_running(online, place, monkeypatch, status):
    """It goes on with the commands that Discord has, and tries again."""
    monkeypatch.setattr(command_upload, "_PAUSES", (0.05,))
    place.faults.extend([Fault("PUT", COMMANDS, status, body={"message": "no", "code": 50035})] * 2)
    async with online(place):
        await answers(place)
        await until(lambda: uploads(place) == 3 and len(place.commands) > 5)
        await asyncio.sleep(0.2)
        assert uploads(place) == 3


async def test_unchanged_commands_are_not_uploaded_again(online, place):
    """A restart asks what stands there, and leaves it."""
    await start(online, place)
    await start(online, place)
    assert uploads(place) == 1


async def test_commands_that_were_taken_away_elsewhere_are_uploaded_again(online, place):
    """Somebody with the token may have changed them."""
    await start(online, place)
    place.commands.pop()
    await start(online, place)
    assert uploads(place) == 2


async def test_other_commands_are_uploaded(online, place, home):
    """As after an update of the program."""
    await start(online, place)
    with Store.open(home.db) as store:
        store.set_state("commands uploaded", store.state("commands uploaded").replace('"wanted": "', '"wanted": "x'))
    await start(online, place)
    assert uploads(place) == 2


@pytest.fixture
def served(monkeypatch, home):
    """`nightshift run` on a Discord of this machine's own."""

    @asynccontextmanager
    async def running():
        monkeypatch.setenv("DISCORD_TOKEN", "good")
        monkeypatch.setattr(login, "_PAUSES", (0.01,))
        opened = Nightshift.open
        monkeypatch.setattr(Nightshift, "open", lambda *args, **kw: opened(*args, engine=FakeEngine(), **kw))
        async with loopback(monkeypatch) as there:
            bot = asyncio.create_task(serve(home, load_settings(home)))
            await there.connected()
            await until(lambda: len(there.commands) > 5)
            yield there, bot
            bot.cancel()
            await asyncio.gather(bot, return_exceptions=True)

    return running


async def test_a_reset_token_ends_the_bot_with_a_sentence(served):
    """All requests are refused, so nobody on Discord can be told: the program ends and says why."""
    async with served() as (there, bot):
        there.reset = True
        await there.say(f"<@{BOT}> Which wood?")
        with pytest.raises(TokenReset, match="Developer Portal"):
            await asyncio.wait_for(bot, 30)


@pytest.mark.parametrize(
    ("code", "error"), [(4004, TokenReset), (4014, IntentMissing), (4013, ConnectionRefused), (4012, ConnectionRefused)]
)
async def test_a_connection_that_discord_ends_for_good_is_a_sentence(served, code, error):
    """The token, the intents, or a program that is too old."""
    async with served() as (there, bot):
        await there._socket.close(code=code)
        with pytest.raises(error):
            await asyncio.wait_for(bot, 30)


async def test_one_refused_request_is_no_reset_token(online, place):
    """The bot asks for its own name before it believes that."""
    async with online(place) as app:
        place.faults.append(Fault("POST", f"/channels/{GENERAL}/typing", 401))
        place.faults.append(Fault("POST", f"/channels/{GENERAL}/messages", 401))
        await place.say(f"<@{BOT}> Which wood?")
        await until(lambda: ("GET", "/users/@me") in place.requests[3:])
        assert not app.client.is_closed()
        await place.say(f"<@{BOT}> Which oil?")
        await until(lambda: "You said: Which oil?" in place.said())
