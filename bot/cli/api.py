"""`api`: the voice for other programs, without Discord."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.library_logs import silence_libraries
from bot.cli.options import HomeOption
from bot.cli.signals import until_stopped
from bot.event_loop import let_threads_sleep

__all__ = ["register"]

_PORT = 8377


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(api)


def api(
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help=f"Port on this machine (default: [api] port, else {_PORT})."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Serve the current voice as an OpenAI-compatible endpoint, without Discord.

    While the bot runs, it serves the endpoint itself: set port under [api]. Ctrl-C or SIGTERM ends it.
    """
    let_threads_sleep()
    from bot.api.key import api_key
    from bot.log_file import open_log
    from bot.settings import load_settings
    from bot.standalone import serve_api
    from storage.files.home import find_home

    place = find_home(home)
    settings = load_settings(place)
    silence_libraries(progress_bars=True)
    place.ensure()
    key = api_key(place, settings.api)
    open_log(place.logs, settings.log, [key])
    until_stopped(serve_api(place, settings, key, port or settings.api.port or _PORT))
