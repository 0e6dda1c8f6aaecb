"""`logs`: what the bot wrote into its log file, the newest last."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cli.options import HomeOption, ShardsOption

if TYPE_CHECKING:
    from bot.log_formats import Entry

__all__ = ["register"]

_POLL_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(logs)


def logs(
    lines: Annotated[int, typer.Option("--lines", metavar="N", min=1, help="How many of the newest entries.")] = 50,
    level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"],
        typer.Option("--level", help="Only entries of this level and above."),
    ] = "debug",
    since: Annotated[
        str | None, typer.Option("--since", metavar="MOMENT", help="Only entries since then: 2h, 3d, 2026-11-25.")
    ] = None,
    request: Annotated[
        str | None, typer.Option("--request", metavar="ID", help="Only entries about the answer to this request.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on showing what is written; Ctrl-C ends it.")] = False,
    shards: ShardsOption = "",
    home: HomeOption = None,
) -> None:
    """Show the bot's log, the newest entry last.

    `nightshift run` writes it into the home. Tokens are not in it, nor what members write.
    """
    from bot.cli.moments import moment
    from bot.errors import LogMissing
    from bot.log_file import entries, log_files
    from bot.log_formats import LEVELS
    from storage.files.home import find_home

    folder = find_home(home).part(shards).logs
    files = log_files(folder)
    if not files:
        raise LogMissing(str(folder))
    earliest = moment(since, "--since") if since is not None else None

    def wanted(entry: Entry) -> bool:
        loud = entry.level not in LEVELS or LEVELS.index(entry.level) >= LEVELS.index(level)
        asked = request is None or entry.request == request
        return loud and asked and (earliest is None or entry.at.astimezone() >= earliest)

    size = files[-1].stat().st_size
    for entry in deque(filter(wanted, entries(files)), maxlen=lines):
        print(entry.text)
    if follow:
        for text in _following(files[-1], size, wanted):
            print(text, flush=True)


def _following(path: Path, at: int, wanted: Callable[[Entry], bool]) -> Iterator[str]:
    """What is written after position `at`, also into the file that takes this one's place. Never ends."""
    from bot.log_formats import parse_entries

    file = path.open(encoding="utf-8", errors="replace")
    try:
        file.seek(at)
        while True:
            if new := file.readlines():
                yield from (entry.text for entry in parse_entries(new) if wanted(entry))
                continue
            if _replaced(path, file.fileno()):
                file.close()
                file = path.open(encoding="utf-8", errors="replace")
                continue
            time.sleep(_POLL_S)
    finally:
        file.close()


def _replaced(path: Path, descriptor: int) -> bool:
    """Whether another file stands in the place of the open one."""
    import os

    try:
        return path.stat().st_ino != os.fstat(descriptor).st_ino
    except FileNotFoundError:  # about to be replaced
        return False
