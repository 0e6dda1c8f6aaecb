"""What an operator reads when Discord does not let the bot in: a local server in Discord's place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from aiohttp import web

from bot import login
from bot.errors import DiscordRefuses, DiscordUnreachable, IntentMissing, TokenMissing, TokenRefused
from bot.login import check_login, serve
from bot.settings import load_settings

LIMITED_MESSAGE_CONTENT = 1 << 19


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(login, "_PAUSES", (0.01, 0.01, 0.01))


@pytest.fixture
async def portal(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, Any]]:
    """Discord's HTTP interface, as far as a login needs it; knows the token "good".

    Change `flags` to set intents; `faults` are statuses that the next requests meet.
    """
    state: dict[str, Any] = {"flags": LIMITED_MESSAGE_CONTENT, "faults": []}

    def answer(request: web.Request, payload: dict[str, object]) -> web.Response:
        if state["faults"]:  # as the network in front of Discord answers: no JSON, no Via
            return web.Response(body=b"<html>no</html>", status=state["faults"].pop(0), content_type="text/html")
        known = request.headers.get("Authorization") == "Bot good"
        body = payload if known else {"message": "401: Unauthorized", "code": 0}
        # discord.py compares the content type as a whole.
        return web.Response(
            body=discord.utils._to_json(body).encode(),
            status=200 if known else 401,
            headers={"Content-Type": "application/json"},
        )

    async def me(request: web.Request) -> web.Response:
        return answer(request, {"id": "1", "username": "nightshift", "discriminator": "0", "avatar": None})

    async def application(request: web.Request) -> web.Response:
        owner = {"id": "2", "username": "op", "discriminator": "0", "avatar": None}
        about = {"id": "1", "name": "Nightshift", "description": "", "icon": None, "owner": owner}
        return answer(
            request,
            {**about, "flags": state["flags"], "bot_public": True, "bot_require_code_grant": False, "verify_key": ""},
        )

    app = web.Application()
    app.router.add_get("/users/@me", me)
    app.router.add_get("/oauth2/applications/@me", application)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{port}")
    yield state
    await runner.cleanup()


async def test_a_good_token_is_let_in(portal):
    """The check ends with the bot's name."""
    assert await check_login("good", message_content=True) == "nightshift"


async def test_a_bad_token_is_a_sentence(portal, home, monkeypatch):
    """`nightshift run` with a token that Discord does not know says where to get one, before a model is loaded."""
    monkeypatch.setenv("DISCORD_TOKEN", "stale")
    with pytest.raises(TokenRefused, match="Developer Portal"):
        await serve(home, load_settings(home))


async def test_a_missing_intent_is_a_sentence(portal, home, monkeypatch):
    """`nightshift run` without the Message Content intent says how to switch it on."""
    portal["flags"] = 0
    monkeypatch.setenv("DISCORD_TOKEN", "good")
    with pytest.raises(IntentMissing, match="Message Content Intent"):
        await serve(home, load_settings(home))


async def test_an_unreachable_discord_is_a_sentence(monkeypatch, home, unused_tcp_port):
    """`nightshift run` without a network says so, and not that nobody foresaw it."""
    monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.setenv("DISCORD_TOKEN", "good")
    with pytest.raises(DiscordUnreachable, match="network"):
        await serve(home, load_settings(home))


@pytest.mark.parametrize("status", [403, 429, 500, 503])
async def test_one_failure_at_login_is_waited_out(portal, status):
    """Discord, or the network in front of it, fails for a moment; the token is as good as before."""
    portal["faults"] = [status]
    assert await check_login("good", message_content=True) == "nightshift"


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_a_discord_that_goes_on_failing_is_a_sentence(portal, home, monkeypatch, status):
    """`nightshift run` says what Discord answers and what to do, not that nobody foresaw it."""
    portal["faults"] = [status] * 50
    monkeypatch.setenv("DISCORD_TOKEN", "good")
    with pytest.raises(DiscordRefuses, match=rf"{status}.*discordstatus\.com"):
        await serve(home, load_settings(home))


async def test_a_bot_that_does_not_want_the_intent_is_let_in(portal):
    """With message_content = false the intent need not be switched on."""
    portal["flags"] = 0
    assert await check_login("good", message_content=False) == "nightshift"


async def test_a_missing_token_is_a_sentence(home, monkeypatch):
    """`nightshift run` without a token says where it belongs."""
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    with pytest.raises(TokenMissing, match="DISCORD_TOKEN"):
        await serve(home, load_settings(home))
