"""What several commands share: their options, and who uses them. Nothing here opens or prints anything."""

from __future__ import annotations

import getpass
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from storage.audit_records import Act

__all__ = ["HomeOption", "JsonOption", "ServerOption", "ShardsOption", "act", "operator"]


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


def _range(given: str) -> str:
    """The range as files are named after it, so that 2 is 2-2. Raises BadParameter for what is none."""
    if not given:
        return ""
    found = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", given)
    if found is None:
        raise typer.BadParameter(f"{given!r} is no range of shards such as 0-3 or 2")
    return f"{int(found[1])}-{int(found[2] or found[1])}"


ShardsOption = Annotated[
    str,
    typer.Option(
        "--shards",
        metavar="RANGE",
        callback=_range,
        envvar="NIGHTSHIFT_DISCORD__SHARD_RANGE",
        show_envvar=False,
        help="Of the process with these shards, where there are several (discord.shard_range).",
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


ServerOption = Annotated[
    int | None,
    typer.Option("--server", metavar="ID", help='The server whose own voice is meant, with voices = "server".'),
]


def operator() -> str:
    """Who is at the keyboard, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return "operator"


def act(action: str, subject: str = "", *, guild_id: int | None = None, **details: Any) -> Act:
    """What somebody does at the keyboard, for the audit. `guild_id` is None where it concerns every server."""
    from storage.audit_records import Act

    return Act(None, operator(), action, subject, guild_id, details)
