"""`explore`: look through the store in a browser, without anything personal in it."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.options import HomeOption

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(explore)


def explore(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on this machine (default: a free one).")
    ] = 0,
    home: HomeOption = None,
) -> None:
    """Look through the store with SQL in a browser (Datasette).

    It is a copy in memory, without words, names and ids of people. Ctrl-C ends it.
    """
    from bot import exploration
    from bot.errors import StoreMissing
    from storage.files.home import find_home

    place = find_home(home)
    if not place.db.exists():
        raise StoreMissing(str(place.root))
    exploration.explore(place.db, port, lambda line: print(line, flush=True))
