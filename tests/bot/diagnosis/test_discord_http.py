"""With a token, the real client asks a Discord on this machine, over HTTP alone."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import discord
import pytest
from aiohttp import web

from bot.diagnosis.discord import discord_findings
from bot.server.permissions import BOT_PERMISSIONS
from bot.settings import load_settings

GUILD, REVIEW, ROLE, BOT = 500, 501, 502, 1
COMMANDS = [("review", 1, True), ("status", 1, False), ("Approve", 3, True)]


class Discord:
    """One server, in whose review channel some permissions are denied; knows the token "good"."""

    def __init__(self):
        self.clock = timedelta()
        self.flags = 1 << 19
        self.denied = discord.Permissions()
        self.everyone = discord.Permissions(**dict.fromkeys(BOT_PERMISSIONS, True))
        self.asked = []

    async def answer(self, request):
        self.asked.append(f"{request.method} {request.path}")
        if request.path == "/gateway":
            return self._json({"url": "wss://nowhere"})
        if request.headers.get("Authorization") != "Bot good":
            return self._json({"message": "401: Unauthorized", "code": 0}, 401)
        found = self.pages().get(request.path)
        return self._json({"message": "Unknown", "code": 10066}, 404) if found is None else self._json(found)

    def _json(self, body, status=200):
        date = format_datetime(datetime.now(UTC) - self.clock, usegmt=True)
        headers = {"Content-Type": "application/json", "Date": date, "Via": "1.1 here"}
        return web.Response(body=json.dumps(body).encode(), status=status, headers=headers)

    def pages(self):
        me = {"id": str(BOT), "username": "nightshift", "discriminator": "0", "avatar": None, "bot": True}
        owner = {"id": "9", "username": "al", "discriminator": "0", "avatar": None}
        roles = [self.role(GUILD, "@everyone", self.everyone.value), self.role(ROLE, "Helpers", 0)]
        denied = {"id": str(BOT), "type": 1, "allow": "0", "deny": str(self.denied.value)}
        hidden = {"id": str(GUILD), "type": 0, "allow": "0", "deny": str(discord.Permissions(view_channel=True).value)}
        shown = {"id": str(BOT), "type": 1, "allow": str(discord.Permissions(view_channel=True).value), "deny": "0"}
        overwrites = [hidden, {**shown, "deny": denied["deny"]}]
        channel = {"id": str(REVIEW), "type": 0, "name": "cards", "position": 0, "guild_id": str(GUILD)}
        guild = {
            "id": str(GUILD),
            "name": "Workshop",
            "icon": None,
            "owner_id": "9",
            "permissions": "0",
            "features": [],
        }
        member = {
            "user": me,
            "roles": [],
            "joined_at": "2026-01-01T00:00:00+00:00",
            "deaf": False,
            "mute": False,
            "flags": 0,
        }
        about = {"id": str(BOT), "name": "Nightshift", "description": "", "icon": None, "owner": owner}
        moderation = str(discord.Permissions(manage_messages=True).value)
        commands = [
            {
                "id": str(600 + number), "application_id": "1", "version": "1", "name": name, "type": kind,
                "description": "", "default_member_permissions": moderation if guarded else None,
            }
            for number, (name, kind, guarded) in enumerate(COMMANDS)
        ]  # fmt: skip
        about |= {"flags": self.flags, "bot_public": False, "bot_require_code_grant": False, "verify_key": ""}
        return {
            "/users/@me": me,
            "/oauth2/applications/@me": about,
            "/applications/1/commands": commands,
            "/users/@me/guilds": [guild],
            f"/guilds/{GUILD}": {**guild, "roles": roles, "emojis": [], "stickers": [], "preferred_locale": "en-US"},
            f"/guilds/{GUILD}/channels": [{**channel, "permission_overwrites": overwrites}],
            f"/guilds/{GUILD}/members/{BOT}": member,
        }

    def role(self, number, name, permissions):
        extras = {"color": 0, "position": 0, "flags": 0, "hoist": False, "managed": False, "mentionable": False}
        return {
            "id": str(number),
            "name": name,
            "permissions": str(permissions),
            "colors": {"primary_color": 0},
            **extras,
        }


@pytest.fixture
def place(monkeypatch):
    """Discord in a thread of its own, since the command has an event loop of its own."""
    here, ready, loop = Discord(), threading.Event(), asyncio.new_event_loop()
    address = []

    async def serve():
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", here.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(runner.addresses[0][1])
        ready.set()
        return runner

    def run():
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(serve())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(10)
    monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{address[0]}")
    yield here
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def look(home, monkeypatch):
    """Looks with a token; returns what was found, by subject."""
    home.config.write_text("[discord]\nreview_channel = 'cards'\nmoderator_role = 'Helpers'\n")

    def doctor(value="good"):
        monkeypatch.setenv("DISCORD_TOKEN", value)
        return {one.subject: one for one in discord_findings(home, load_settings(home))}

    return doctor


def test_a_bot_that_is_set_up_is_good_but_for_what_its_role_does_not_see(look, place):
    """Nothing is changed, and no connection to the gateway is opened."""
    found = look()
    states = {subject: one.state for subject, one in found.items()}
    assert states == {
        "clock": "good", "token": "good", "bot": "good", "intents": "good", "commands": "good", "review": "good",
        "seen by": "note",
    }  # fmt: skip
    assert "Workshop: @Helpers does not see /review, Approve." in found["seen by"].text
    assert "only you can invite it" in found["bot"].text
    assert {one.split()[0] for one in place.asked} == {"GET"}


def test_what_is_wrong_on_discord_is_found(look, place):
    """The clock, the intent, and Embed Links in the review channel."""
    place.clock, place.flags = timedelta(hours=1), 0
    place.denied = discord.Permissions(embed_links=True)
    found = look()
    assert found["clock"].state == found["intents"].state == found["review"].state == "broken"
    assert "60 minutes ahead of Discord's" in found["clock"].text
    assert "in #cards the bot lacks Embed Links" in found["review"].text


def test_a_token_that_discord_does_not_know_fails(look, place, home):
    """In one line, and it is not shown."""
    found = look("stale-token")
    assert found["token"].state == "broken"
    assert [one.state for one in discord_findings(home, load_settings(home)) if one.subject == "token"] == ["broken"]
    assert "Discord refused the bot's token" in found["token"].text
    assert "stale-token" not in str(found)


def test_a_bot_that_was_invited_with_too_little_gets_its_invitation_again(look, place):
    """With the permissions that are missing on the whole server, by the names that Discord shows."""
    place.everyone.embed_links = place.everyone.attach_files = False
    found = look()
    assert found["allowed"].state == "note"
    assert "Workshop: the bot's role lacks Embed Links, Attach Files" in found["allowed"].text
    assert "https://discord.com/oauth2/authorize?client_id=1&" in found["allowed"].text
