"""What several commands share: their options, and who uses them. Nothing here opens or prints anything."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["HomeOption", "JsonOption", "operator"]


def _nearest_home(ctx: typer.Context, given: Path | None) -> Path | None:
    """The `--home` after a command, else the one before it; typer hands `ctx.obj` down from command to command."""
    home: Path | None = given or ctx.obj
    ctx.obj = home
    return home


HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIRECTORY",
        callback=_nearest_home,
        help="Where everything is stored (default: $NIGHTSHIFT_HOME, else ./nightshift-data).",
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def operator() -> str:
    """Who is at the keyboard, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "operator"
