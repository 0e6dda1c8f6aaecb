"""Discord on this machine's loopback, as far as one server and its messages go, that fails when it is told to.

For what the simulated Discord of the other tests has no route for: it stands in for the network. Here the real
client's own requests, retries and gateway run. A message with a nonce seen before is not posted again, as on Discord.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
import yarl
from aiohttp import web

BOT, MEMBER, GUILD, GENERAL, REVIEW = 1, 2, 5, 10, 11
_PEOPLE = {
    BOT: {"id": str(BOT), "username": "nightshift", "discriminator": "0", "avatar": None, "bot": True},
    MEMBER: {"id": str(MEMBER), "username": "ada", "discriminator": "0", "avatar": None},
    **{
        number: {"id": str(number), "username": f"m{number}", "discriminator": "0", "avatar": None} for number in (3, 4)
    },
}
_CHANNEL = {"type": 0, "permission_overwrites": [], "position": 0}
_EVERYTHING = str(discord.Permissions.all().value)


@dataclass(frozen=True)
class Fault:
    """What a request meets instead of an answer.

    Attributes:
        method, path: the request; the path is the end of it.
        status: Discord's; 0 cuts the connection.
        carried_out: whether the request was carried out before that.
        body: of the answer.
        via: whether it comes from Discord itself, not from the network in front of it.
    """

    method: str
    path: str
    status: int
    carried_out: bool = False
    body: dict[str, Any] | None = None
    via: bool = True


@dataclass
class Used:
    """A command or a component that somebody used, and what the bot answered: texts, titles and custom ids in order."""

    token: str
    message: dict[str, Any] | None  # that it stands below
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    said: list[str] = field(default_factory=list)
    custom_ids: list[str] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)


class Loopback:
    """`messages` by channel and number, `faults` waiting, `requests` and gateway `sessions` so far."""

    def __init__(self) -> None:
        self.messages: dict[int, dict[int, dict[str, Any]]] = {GENERAL: {}, REVIEW: {}}
        self.faults: deque[Fault] = deque()
        self.commands: list[dict[str, Any]] = []
        self.behind = timedelta()  # how far Discord's clock is behind the host's
        self.reset = False  # whether the bot's token is no longer valid
        self.requests: list[tuple[str, str]] = []
        self.sessions: list[str] = []
        self.storm: int | None = None  # what every request is answered with (0: the connection is cut), while it lasts
        self.forgotten = False  # whether a session cannot be resumed
        self.used: dict[str, Used] = {}  # by token
        self.private: dict[int, dict[str, Any]] = {}  # messages that one person alone sees
        self._nonces: dict[str, dict[str, Any]] = {}
        self._sequence = 0
        self._sent: list[dict[str, Any]] = []
        self._socket: web.WebSocketResponse | None = None
        self._ready = asyncio.Event()

    # --- what a test does ---

    async def say(self, text: str, *, reply_to: int | None = None, who: int = MEMBER) -> int:
        """A member writes in #general; returns the message's number."""
        message = self._store(GENERAL, who, {"content": text})
        if reply_to is not None:
            message["message_reference"] = {"message_id": str(reply_to), "channel_id": str(GENERAL)}
        await self._dispatch("MESSAGE_CREATE", message)
        return int(message["id"])

    async def press(self, custom_id: str, *, channel: int, message: int, who: int = MEMBER) -> Used:
        """Somebody with every permission presses a button below a message, also one for their eyes only."""
        shown = self.messages[channel].get(message) or self.private[message]
        data = {"custom_id": custom_id, "component_type": 2}
        return await self._use({"type": 3, "data": data, "message": shown}, channel, who)

    async def command(self, name: str, below: str, *, channel: int = GENERAL, who: int = MEMBER) -> Used:
        """Somebody uses a slash command of a group, without options."""
        number = next(one["id"] for one in self.commands if one["name"] == name)
        options = [{"name": below, "type": 1, "options": []}]
        return await self._use(
            {"type": 2, "data": {"id": number, "name": name, "type": 1, "options": options}}, channel, who
        )

    async def _use(self, payload: dict[str, Any], channel: int, who: int) -> Used:
        number = discord.utils.time_snowflake(datetime.now(UTC) - self.behind) + len(self.used)
        used = self.used[f"t{number}"] = Used(f"t{number}", payload.get("message"))
        member = {
            "user": _PEOPLE[who],
            "roles": [],
            "permissions": _EVERYTHING,
            "flags": 0,
            "deaf": False,
            "mute": False,
        }
        about = {
            "id": str(number),
            "token": used.token,
            "version": 1,
            "application_id": str(BOT),
            "guild_id": str(GUILD),
            "channel_id": str(channel),
            "channel": {**_CHANNEL, "id": str(channel), "name": "here"},
            "member": {**member, "joined_at": "2026-01-01T00:00:00+00:00", "deaf": False, "mute": False},
            "locale": "en-US",
            "app_permissions": _EVERYTHING,
            "attachment_size_limit": 10_000_000,
        }
        await self._dispatch("INTERACTION_CREATE", {**about, **payload})
        return used

    async def lose(self, *, tell_again: int = 0) -> None:
        """Cut the gateway; the newest `tell_again` events are told again when the session is resumed."""
        self._again = self._sent[len(self._sent) - tell_again :]
        self._ready.clear()
        assert self._socket is not None
        await self._socket.close(code=4000)
        await self.connected()

    async def connected(self, seconds: float = 10) -> None:
        """Wait until the bot is on the gateway."""
        await asyncio.wait_for(self._ready.wait(), seconds)

    def gone(self) -> None:
        """The bot is on the gateway no more; the next one that comes is waited for."""
        self._ready.clear()

    def buttons(self, channel: int = GENERAL) -> list[str]:
        """The custom ids below the bot's messages in a channel."""
        rows = [row for one in self.messages[channel].values() for row in one["components"]]
        return [item["custom_id"] for row in rows for item in row["components"] if "custom_id" in item]

    def said(self, channel: int = GENERAL) -> list[str]:
        """What the bot's messages in a channel say now."""
        return [one["content"] for one in self.messages[channel].values() if one["author"]["id"] == str(BOT)]

    # --- HTTP ---

    @web.middleware
    async def fail(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.reset and request.path != "/gateway":
            return _json({"message": "401: Unauthorized", "code": 0}, status=401)
        if self.storm is not None:
            return _cut(request) if not self.storm else _json({"message": "no", "code": 0}, status=self.storm)
        fault = next((f for f in self.faults if f.method == request.method and request.path.endswith(f.path)), None)
        if fault is None:
            return await handler(request)
        self.faults.remove(fault)
        if fault.carried_out:
            await handler(request)
        if not fault.status:
            return _cut(request)
        # discord.py takes a 429 without this header for a ban by the network in front of Discord.
        headers = {"Via": "1.1 loopback"} if fault.via else {}
        return _json(fault.body or {"message": "no", "code": 0}, status=fault.status, headers=headers)

    async def me(self, _request: web.Request) -> web.Response:
        return _json(_PEOPLE[BOT])

    async def application(self, _request: web.Request) -> web.Response:
        about = {"id": "1", "name": "Nightshift", "description": "", "icon": None, "owner": _PEOPLE[MEMBER]}
        return _json({**about, "flags": 1 << 19, "bot_public": True, "bot_require_code_grant": False, "verify_key": ""})

    async def upload(self, request: web.Request) -> web.Response:
        sent = await request.json()
        extras = {"application_id": "1", "version": "1", "description": ""}
        self.commands = [{**one, **extras, "id": str(100 + number)} for number, one in enumerate(sent)]
        return _json(self.commands)

    async def list_commands(self, _request: web.Request) -> web.Response:
        return _json(self.commands)

    async def typing(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def post(self, request: web.Request) -> web.Response:
        sent = await _body(request)
        nonce = sent.get("nonce")
        if nonce in self._nonces and sent.get("enforce_nonce"):
            return _json(self._nonces[nonce])
        message = self._store(int(request.match_info["channel"]), BOT, sent)
        if nonce:
            self._nonces[nonce] = message
        return _json(message)

    async def callback(self, request: web.Request) -> web.Response:
        """The first response to an interaction."""
        used, sent = self.used[request.match_info["token"]], await _body(request)
        if used.answered.is_set():
            return _json({"message": "Interaction has already been acknowledged.", "code": 40060}, status=400)
        used.answered.set()
        message = self._answer(used, sent.get("data") or {}, sent["type"])
        about = {"id": used.token[1:], "type": 3, "response_message_id": message["id"]}
        return _json({"interaction": about, "resource": {"type": sent["type"], "message": message}})

    async def follow_up(self, request: web.Request) -> web.Response:
        """A further answer to an interaction, or a change of the first."""
        return _json(self._answer(self.used[request.match_info["token"]], await _body(request), 4))

    def _answer(self, used: Used, sent: dict[str, Any], kind: int) -> dict[str, Any]:
        if text := sent.get("content"):
            used.said.append(text)
        rows = sent.get("components") or []
        used.custom_ids += [
            item["custom_id"] for row in rows for item in row.get("components", ()) if "custom_id" in item
        ]
        if sent.get("embeds"):
            used.said.append(str(sent["embeds"][0].get("title")))
        if kind == 7 and used.message is not None:
            used.message.update({name: value for name, value in sent.items() if name in used.message})
        message = {**self._store(GENERAL, BOT, {**sent, "private": True}), "flags": 64}
        self.private[int(message["id"])] = message
        used.messages.append(int(message["id"]))
        return message

    async def edit(self, request: web.Request) -> web.Response:
        message = self.messages[int(request.match_info["channel"])].get(int(request.match_info["message"]))
        if message is None:
            return _unknown()
        message.update({name: value for name, value in (await _body(request)).items() if name in message})
        return _json(message)

    async def read(self, request: web.Request) -> web.Response:
        message = self.messages[int(request.match_info["channel"])].get(int(request.match_info["message"]))
        return _json(message) if message is not None else _unknown()

    async def delete(self, request: web.Request) -> web.Response:
        channel, number = int(request.match_info["channel"]), int(request.match_info["message"])
        if self.messages[channel].pop(number, None) is None:
            return _unknown()
        await self._dispatch("MESSAGE_DELETE", {"id": str(number), "channel_id": str(channel), "guild_id": str(GUILD)})
        return web.Response(status=204)

    async def history(self, request: web.Request) -> web.Response:
        before, after = int(request.query.get("before", 1 << 62)), int(request.query.get("after", 0))
        here = self.messages[int(request.match_info["channel"])]
        found = [message for number, message in here.items() if after < number < before]
        limit = int(request.query.get("limit", 50))
        return _json((found[:limit] if after else found[-limit:])[::-1])

    def _store(self, channel: int, author: int, sent: dict[str, Any]) -> dict[str, Any]:
        content = sent.get("content") or ""
        number = discord.utils.time_snowflake(datetime.now(UTC) - self.behind) + sum(map(len, self.messages.values()))
        message = {
            "id": str(number),
            "channel_id": str(channel),
            "guild_id": str(GUILD),
            "author": _PEOPLE[author],
            "content": content,
            "timestamp": (datetime.now(UTC) - self.behind).isoformat(),
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [_PEOPLE[BOT]] if f"<@{BOT}>" in content else [],
            "mention_roles": [],
            "attachments": [],
            "embeds": sent.get("embeds", []),
            "components": sent.get("components", []),
            "pinned": False,
            "type": 0,
            "flags": sent.get("flags", 0),
        }
        if "message_reference" in sent:
            reference = sent["message_reference"]
            message["message_reference"] = {"message_id": str(reference["message_id"]), "channel_id": str(channel)}
            if (shown := self.messages[channel].get(int(reference["message_id"]))) is not None:
                message["referenced_message"] = dict(shown)
            message["referenced_message"] = self.messages[channel].get(int(reference["message_id"]))
        if not sent.get("private"):
            self.messages[channel][number] = message
        return message

    # --- gateway ---

    async def gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 40_000}})
        async for frame in socket:
            received = json.loads(frame.data)
            if received["op"] == 1:
                await socket.send_json({"op": 11})
            elif received["op"] == 2:
                resume = str(request.url.with_scheme("ws"))
                shard, count = received["d"].get("shard", (0, 1))
                about = {"v": 10, "user": _PEOPLE[BOT], "session_id": "s", "resume_gateway_url": resume}
                about["shard"] = [shard, count]
                if (GUILD >> 22) % count != shard:  # the one server there is is another shard's
                    self.sessions.append(f"shard {shard} of {count}")
                    await socket.send_json({"op": 0, "t": "READY", "s": 1, "d": {**about, "guilds": []}})
                    continue
                self._socket = socket
                self.sessions.append("identified")
                self.forgotten = False
                await self._dispatch("READY", {**about, "guilds": [{"id": str(GUILD), "unavailable": True}]})
                await self._dispatch("GUILD_CREATE", _guild())
                self._ready.set()
            elif received["op"] == 6 and self.forgotten:
                await socket.send_json({"op": 9, "d": False})
            elif received["op"] == 6:
                self._socket = socket
                self.sessions.append("resumed")
                for event in self._again:
                    await socket.send_json(event)
                await self._dispatch("RESUMED", {})
                self._ready.set()
        return socket

    async def _dispatch(self, kind: str, payload: dict[str, Any]) -> None:
        assert self._socket is not None
        self._sequence += 1
        event = {"op": 0, "t": kind, "s": self._sequence, "d": payload}
        if kind == "MESSAGE_CREATE":
            self._sent.append(event)
        await self._socket.send_json(event)


@asynccontextmanager
async def loopback(monkeypatch: Any) -> AsyncIterator[Loopback]:
    """Let discord.py take this machine for Discord."""
    place = Loopback()
    app = web.Application(middlewares=[place.fail])
    app.router.add_get("/users/@me", place.me)
    app.router.add_get("/oauth2/applications/@me", place.application)
    app.router.add_put("/applications/1/commands", place.upload)
    app.router.add_get("/applications/1/commands", place.list_commands)
    app.router.add_post("/channels/{channel}/typing", place.typing)
    app.router.add_post("/channels/{channel}/messages", place.post)
    app.router.add_get("/channels/{channel}/messages", place.history)
    app.router.add_get("/channels/{channel}/messages/{message}", place.read)
    app.router.add_delete("/channels/{channel}/messages/{message}", place.delete)
    app.router.add_patch("/channels/{channel}/messages/{message}", place.edit)
    app.router.add_post("/interactions/{number}/{token}/callback", place.callback)
    app.router.add_post("/webhooks/1/{token}", place.follow_up)
    app.router.add_patch("/webhooks/1/{token}/messages/{message}", place.follow_up)
    app.router.add_get("/gateway", place.gateway)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here = f"127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setattr(discord.http.Route, "BASE", f"http://{here}")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(f"ws://{here}/gateway"))
    yield place
    await runner.cleanup()


def _json(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # discord.py compares the content type as a whole.
    headers = {"Content-Type": "application/json", **(headers or {})}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers)


def _unknown() -> web.Response:
    return _json({"message": "Unknown Message", "code": 10008}, status=404)


def _cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def _body(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    form = await request.post()  # with files
    return dict(json.loads(str(form["payload_json"])))


def _guild() -> dict[str, Any]:
    def channel(number: int, name: str) -> dict[str, Any]:
        return {"id": str(number), "type": 0, "name": name, "position": number, "permission_overwrites": []}

    role = {"id": str(GUILD), "name": "@everyone", "permissions": _EVERYTHING, "color": 0, "position": 0, "flags": 0}
    extras = {"hoist": False, "managed": False, "mentionable": False, "colors": {"primary_color": 0}}
    mine = {"user": _PEOPLE[BOT], "roles": [], "joined_at": "2026-01-01T00:00:00+00:00", "deaf": False, "mute": False}
    return {
        "id": str(GUILD),
        "name": "Workshop",
        "owner_id": "9",
        "preferred_locale": "en-US",
        "roles": [{**role, **extras}],
        "channels": [channel(GENERAL, "general"), channel(REVIEW, "review")],
        "members": [{**mine, "flags": 0}],
        "member_count": 2,
        "emojis": [],
        "stickers": [],
        "features": [],
        "threads": [],
    }


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  (nothing tells)
            await asyncio.sleep(0.01)
