"""Logging in to the real Discord: what is wrong with the token or the intents is said before a model is loaded.

A Discord that fails for a moment is no reason to end: it is asked again a few times. Only what will not change by
waiting, or does not, ends the program, with a sentence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aiohttp
import discord

from bot.app import Nightshift
from bot.client import NightshiftClient
from bot.errors import ConnectionRefused, DiscordRefuses, DiscordUnreachable, IntentMissing, TokenRefused, TokenReset
from bot.event_loop import settle_down
from bot.settings import Settings
from bot.token_sources import discord_token
from storage.files.home import Home

__all__ = ["check_login", "serve"]

_log = logging.getLogger(__name__)
_PAUSES = (1.0, 4.0, 10.0, 30.0)  # seconds before each further attempt
_AUTHENTICATION_FAILED, _DISALLOWED_INTENTS = 4004, 4014  # close codes of the gateway
_UNREACHED = (aiohttp.ClientError, TimeoutError, OSError)
T = TypeVar("T")


async def check_login(token: str, *, message_content: bool, retry: bool = True) -> str:
    """Ask Discord whether this token and the intents will do; returns the bot's name.

    Args:
        token: the bot's token.
        message_content: whether the Message Content intent is wanted.
        retry: whether to ask again where Discord fails for a moment.

    Raises:
        TokenRefused: Discord does not know the token.
        IntentMissing: the Message Content intent is wanted but not switched on.
        DiscordUnreachable: nothing answers.
        DiscordRefuses: something else answers than yes or no.
    """

    async def ask() -> str:
        async with discord.Client(intents=discord.Intents.none()) as client:
            await client.login(token)
            flags = (await client.application_info()).flags
            allowed = flags.gateway_message_content or flags.gateway_message_content_limited
            if message_content and not allowed:
                raise IntentMissing
            return str(client.user)

    return await _with_retries(ask, _PAUSES if retry else ())


async def serve(home: Home, settings: Settings) -> None:
    """`nightshift run`: the bot on real Discord, with the nightly schedule, until it is cancelled.

    Raises:
        TokenMissing, TokenUnreadable: there is no token.
        TokenRefused, IntentMissing, DiscordUnreachable, DiscordRefuses: Discord does not let the bot in.
        TokenReset, ConnectionRefused: it does not let it stay.
        StorageError, ModelError, ScheduleInvalid: a part cannot be opened.
        EngineLost: the engine failed and could not be started again.
    """
    token = discord_token(home, settings.discord).value
    await check_login(token, message_content=settings.discord.message_content)
    async with Nightshift.open(home.ensure(), settings, schedule=True) as app:
        settle_down()

        async def connect() -> None:
            client = app.new_client() if app.client.is_closed() else app.client
            client.mentions_public_bot = True
            async with client:
                await client.start(token)
            _require_token(client)

        await app.supervisor.guard(_with_retries(connect, _PAUSES))


def _require_token(client: NightshiftClient) -> None:
    """Raise TokenReset where the client ended because its token works no more."""
    if client.token_refused:
        raise TokenReset


async def _with_retries(attempt: Callable[[], Awaitable[T]], pauses: Sequence[float]) -> T:
    """Do it, once more after each pause while Discord fails; raises the sentence of the last failure."""
    for pause in (*pauses, None):
        try:
            return await attempt()
        except discord.LoginFailure:
            raise TokenRefused from None
        except discord.PrivilegedIntentsRequired:
            raise IntentMissing from None
        except discord.ConnectionClosed as error:
            raise _ended(error) from None
        except (discord.HTTPException, discord.GatewayNotFound, *_UNREACHED) as error:
            if pause is None:
                raise _failed(error) from None
            _log.warning("Logging in to Discord failed (%s); trying again in %g s", error, pause)
        await asyncio.sleep(pause)
    raise AssertionError  # the last attempt returns or raises


def _ended(error: discord.ConnectionClosed) -> Exception:
    if error.code == _AUTHENTICATION_FAILED:
        return TokenReset()
    return IntentMissing() if error.code == _DISALLOWED_INTENTS else ConnectionRefused(error.code)


def _failed(error: BaseException) -> Exception:
    return DiscordRefuses(error.status) if isinstance(error, discord.HTTPException) else DiscordUnreachable()
