"""Noticing that the bot's token works no more: then every request is refused, and nobody would be told.

Listens to the answers of Discord's HTTP interface. One refusal may have another cause, so it is asked once for the
bot's own name; only if that is refused too, the token is gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import aiohttp
import discord

from bot.discord_io.retry import UNSENT

__all__ = ["TokenWatch"]

_log = logging.getLogger(__name__)
_UNAUTHORIZED = 401
_OWN_TOKENS = ("/interactions/", "/webhooks/")  # these requests carry a token of their own


class TokenWatch:
    """Calls `gone` once when Discord knows the token no more. `trace` is for the client's HTTP requests."""

    def __init__(self, gone: Callable[[], Awaitable[None]]) -> None:
        self.refused = False
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_end.append(self._ended)
        self._gone = gone
        self._http: discord.http.HTTPClient | None = None
        self._asking: asyncio.Task[None] | None = None

    def start(self, http: discord.http.HTTPClient) -> None:
        """Watch from now on: the client has logged in, so the token was good."""
        self._http = http

    async def _ended(
        self, _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        foreign = any(part in params.url.path for part in _OWN_TOKENS)
        if params.response.status != _UNAUTHORIZED or foreign or self._http is None or self.refused:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(self._http))

    async def _ask(self, http: discord.http.HTTPClient) -> None:
        watching, self._http = self._http, None  # its own refusal is no news
        try:
            await http.request(discord.http.Route("GET", "/users/@me"))
        except discord.HTTPException as error:
            self.refused = error.status == _UNAUTHORIZED
        except (*UNSENT, RuntimeError):  # out of reach, or the client is closing anyway
            pass
        self._http = watching
        if self.refused:
            _log.error("Discord does not accept the bot's token any more; the bot ends")
            await self._gone()
