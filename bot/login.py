"""Logging in to the real Discord: what is wrong with the token or the intents is said before a model is loaded."""

from __future__ import annotations

import gc

import aiohttp
import discord

from bot.app import Nightshift
from bot.errors import DiscordUnreachable, IntentMissing, TokenRefused
from bot.settings import Settings, discord_token
from storage.home import Home

__all__ = ["check_login", "serve", "settle_down"]


async def check_login(token: str, *, message_content: bool) -> str:
    """Ask Discord whether this token and the intents will do; gives the bot's name.

    Raises:
        TokenRefused: Discord does not know the token.
        IntentMissing: the Message Content intent is wanted but not switched on.
        DiscordUnreachable: nothing answers.
    """
    async with discord.Client(intents=discord.Intents.none()) as client:
        try:
            await client.login(token)
            flags = (await client.application_info()).flags
        except discord.LoginFailure:
            raise TokenRefused from None
        except (aiohttp.ClientConnectionError, TimeoutError):
            raise DiscordUnreachable from None
        allowed = flags.gateway_message_content or flags.gateway_message_content_limited
        if message_content and not allowed:
            raise IntentMissing
        return str(client.user)


def settle_down() -> None:
    """What is loaded now stays for good: Python need not look through it for garbage again and again.

    With a model's libraries loaded, one such look holds up the event loop for a tenth of a second and more.
    """
    gc.collect()
    gc.freeze()


async def serve(home: Home, settings: Settings) -> None:
    """`nightshift run`: the bot on real Discord, with the nightly schedule, until it is cancelled.

    Raises:
        TokenMissing, TokenRefused, IntentMissing, DiscordUnreachable: Discord does not let the bot in.
        StorageError, ModelError, ScheduleInvalid: a part cannot be opened.
    """
    token = discord_token()
    await check_login(token, message_content=settings.discord.message_content)
    async with Nightshift.open(home.ensure(), settings, schedule=True) as app:
        settle_down()
        try:
            async with app.client:
                await app.client.start(token)
        except discord.LoginFailure:
            raise TokenRefused from None
        except discord.PrivilegedIntentsRequired:
            raise IntentMissing from None
