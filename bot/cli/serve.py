"""`run`, `playground` and `demo`: the bot on real Discord, in the browser, and in a demonstration."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.library_logs import silence_libraries
from bot.cli.options import HomeOption
from bot.cli.signals import until_stopped
from bot.event_loop import let_threads_sleep

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(demo)
    app.command()(playground)
    app.command()(run)


def demo(home: HomeOption = None) -> None:
    """Show the whole loop in a simulated Discord.

    Chat, review, train, gate, swap: unattended, on the embedded model, without a token. Writes report.json in the home.
    """
    let_threads_sleep()
    from bot.settings import load_settings
    from storage.files.home import find_home

    place = find_home(home).ensure()
    settings = load_settings(place)
    silence_libraries(progress_bars=True)
    from bot.simulation.demo import run_demo

    code = until_stopped(run_demo(place, settings))
    raise typer.Exit(130 if code is None else code)


def playground(
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Port on this machine (default: a free one).")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Try the bot in a simulated Discord in the browser.

    Needs no token. Prints the address to open; Ctrl-C ends it.
    """
    let_threads_sleep()
    silence_libraries()
    from bot.settings import load_settings
    from bot.simulation.playground import serve_playground
    from storage.files.home import find_home

    place = find_home(home).ensure()
    until_stopped(serve_playground(place, load_settings(place), port=port))


def run(home: HomeOption = None) -> None:
    """Run the bot on real Discord, with the nightly schedule.

    The token comes from the environment variable DISCORD_TOKEN, or from `token_file` under [discord]. Ctrl-C or SIGTERM
    ends it.
    """
    let_threads_sleep()
    from bot.api.key import api_key
    from bot.log_file import open_log
    from bot.login import serve
    from bot.settings import load_settings
    from bot.token_sources import discord_token
    from storage.files.home import find_home

    place = find_home(home)
    settings = load_settings(place)
    token = discord_token(place, settings.discord)  # said before anything is opened
    silence_libraries(progress_bars=True)
    place.ensure()
    keys = [api_key(place, settings.api)] if settings.api.port else []
    open_log(place.part(settings.shards.part).logs, settings.log, [token.value, *keys])
    until_stopped(serve(place, settings))
