"""Options that several commands share. Nothing here opens or prints anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["HomeOption", "JsonOption"]


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
        help="Where all state lives (default: $NIGHTSHIFT_HOME, else ./nightshift-data).",
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
