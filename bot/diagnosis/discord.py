"""Discord: the clock, the token, the intents, the commands, and on each server the review channel and who sees what."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.diagnosis.finding import Finding, looked

if TYPE_CHECKING:
    from bot.diagnosis.discord_state import ApplicationState, Choice, ServerState
    from bot.settings import Settings
    from storage.files.home import Home

__all__ = ["application_findings", "clock_finding", "discord_findings", "server_findings"]

_ASKING_S = 30
_CLOCK_OFF = timedelta(minutes=2)
_UNASKED = "Discord cannot be reached from here, so {} unchecked."


def discord_findings(home: Home, settings: Settings) -> Iterator[Finding]:
    """All of them; without a token only the clock can be looked at."""
    yield looked("clock", _clock)
    token = looked("token", lambda: _token(home, settings))
    if token.state == "broken" or token.text.startswith("No Discord token"):
        yield token
        return
    asked = _asked(home, settings)
    if not any(one.subject == "token" for one in asked):  # else Discord refuses it
        yield token
    yield from asked


def clock_finding(ahead: timedelta | None) -> Finding:
    """This machine's clock against Discord's. Pure."""
    if ahead is None:
        return Finding("note", "clock", "Discord did not say what time it is, so the clock is unchecked.")
    seconds = abs(ahead.total_seconds())
    if abs(ahead) > _CLOCK_OFF:
        which = "ahead of" if ahead > timedelta() else "behind"
        fix = "switch on the time service (`timedatectl set-ntp true`); schedule and retention go by the clock."
        return Finding("broken", "clock", f"{seconds / 60:.0f} minutes {which} Discord's: {fix}")
    return Finding("good", "clock", f"within {max(1, round(seconds))} s of Discord's")


def application_findings(state: ApplicationState, *, message_content: bool) -> Iterator[Finding]:
    """Name, intents and commands of the bot. Pure."""
    from bot.errors import IntentMissing

    if message_content and not state.message_content:
        yield Finding("broken", "intents", str(IntentMissing()))
    elif message_content:
        yield Finding("good", "intents", "Message Content is switched on")
    else:
        yield Finding("good", "intents", "none that needs to be switched on is asked for")
    if not state.commands:
        yield Finding("note", "commands", "none is on Discord yet: `nightshift run` uploads them at its start.")
    else:
        yield Finding("good", "commands", f"{len(state.commands)} are on Discord: {', '.join(state.commands)}")


def server_findings(application: ApplicationState, servers: Iterable[ServerState]) -> Iterator[Finding]:
    """Each server's review channel, and who sees the commands there. Pure."""
    from bot.i18n.en.moderation import PERMISSIONS
    from bot.server.permissions import invitation

    servers = list(servers)
    if not servers:
        yield Finding("note", "servers", f"The bot is on no server: invite it with {invitation(application.id)}")
    for one in servers:
        if one.lacking:
            names = ", ".join(PERMISSIONS[name] for name in one.lacking)
            fix = f"open the invitation again ({invitation(application.id)})"
            yield Finding("note", "allowed", f"{one.name}: the bot's role lacks {names}: allow it there, or {fix}.")
        yield _review(one)
        yield _seen(one, application.name.partition("#")[0])


def _review(one: ServerState) -> Finding:
    from bot.i18n.en.moderation import PERMISSIONS

    where = f"{one.name}:"
    if one.review is None:
        return Finding("note", "review", f"{where} no review channel is set, so there are no cards: `/setup` sets one.")
    if not one.found:
        return Finding("broken", "review", f"{where} there is no text channel {one.review}: choose one with `/setup`.")
    if one.missing:
        names = ", ".join(PERMISSIONS[name] for name in one.missing)
        how = "allow it in the channel's settings (Permissions), for the bot's role"
        return Finding("broken", "review", f"{where} in #{one.review} the bot lacks {names}: {how}.")
    if one.public:
        return Finding("note", "review", f"{where} everyone can read #{one.review}, and cards show what members wrote.")
    return Finding("good", "review", f"{where} cards go to #{one.review}")


def _seen(one: ServerState, bot: str) -> Finding:
    if one.hidden:
        how = f"Server Settings, Integrations, {bot}, the command, Add Roles or Members, @{one.role}"
        return Finding(
            "note", "seen by", f"{one.name}: @{one.role} does not see {', '.join(one.hidden)}. For each of them: {how}."
        )
    also = f" and @{one.role}" if one.role else ""
    return Finding("good", "seen by", f"{one.name}: members with Manage Messages{also} see the moderators' commands")


def _clock() -> Finding:
    from bot.diagnosis.discord_state import clock_ahead

    try:
        return clock_finding(asyncio.run(asyncio.wait_for(clock_ahead(), _ASKING_S)))
    except _unreached():
        return Finding("note", "clock", _UNASKED.format("the clock is"))


def _token(home: Home, settings: Settings) -> Finding:
    from bot.errors import TokenMissing
    from bot.token_sources import discord_token

    try:
        token = discord_token(home, settings.discord, os.environ)
    except TokenMissing as error:
        return Finding("note", "token", f"{error} Until then intents and servers cannot be checked either.")
    if token.exposed:
        fix = f"others on this machine can read it: chmod 600 {token.source}"
        return Finding("note", "token", f"from {token.source}; {fix}")
    return Finding("good", "token", f"from {token.source}")


def _asked(home: Home, settings: Settings) -> list[Finding]:
    """What Discord says about this token and its servers, as one look."""
    import discord

    from bot.errors import BotError, DiscordRefuses, TokenRefused

    async def ask() -> list[Finding]:
        async with asyncio.timeout(_ASKING_S):
            return await _findings_of(home, settings)

    try:
        return asyncio.run(ask())
    except discord.LoginFailure:
        return [Finding("broken", "token", str(TokenRefused()))]
    except discord.HTTPException as error:
        return [Finding("note", "discord", str(DiscordRefuses(error.status)))]
    except BotError as error:
        return [Finding("broken", "discord", str(error))]
    except _unreached():
        return [Finding("note", "discord", _UNASKED.format("token, intents and servers are"))]


async def _findings_of(home: Home, settings: Settings) -> list[Finding]:
    import discord

    from bot.diagnosis.discord_state import application_state, server_states
    from bot.token_sources import discord_token

    async with discord.Client(intents=discord.Intents.none()) as client:
        await client.login(discord_token(home, settings.discord).value)
        application = await application_state(client)
        servers = await server_states(client, _choices(home), _default(settings))
    wanted = settings.discord.message_content
    who = "anybody can invite it" if application.public else "only you can invite it"
    about = Finding("good", "bot", f"{application.name}; {who}")
    return [about, *application_findings(application, message_content=wanted), *server_findings(application, servers)]


def _default(settings: Settings) -> Choice:
    from bot.diagnosis.discord_state import Choice

    return Choice(settings.discord.review_channel, settings.discord.moderator_role)


def _choices(home: Home) -> dict[int, Choice]:
    """What servers chose with /setup."""
    from bot.diagnosis.discord_state import Choice
    from bot.settings import load_settings
    from storage.guild_settings import SERVER
    from storage.store import Store

    if not home.db.exists():
        return {}
    default = _default(load_settings(home))
    with Store.open(home.db) as store:
        held = [one for one in store.guild_settings() if one.channel_id == SERVER]
    values: dict[int, dict[str, int]] = {}
    for one in held:
        values.setdefault(one.guild_id, {})[one.name] = one.value
    return {
        guild: Choice(
            own.get("review_channel", default.review_channel), own.get("moderator_role", default.moderator_role)
        )
        for guild, own in values.items()
    }


def _unreached() -> tuple[type[BaseException], ...]:
    import aiohttp

    return (aiohttp.ClientError, OSError, TimeoutError)
