"""The bot's log in the home: a file that begins anew when it is large, without tokens, and how it is read again.

What members write is not logged. Still the file is the owner's alone, as everything in the home.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path

from bot.log_formats import Entry, JsonFormatter, RedactingFormatter, parse_entries
from bot.settings import LogConfig

__all__ = ["entries", "log_files", "open_log"]

_SECRET_VARIABLES = ("DISCORD_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")


def open_log(folder: Path, config: LogConfig, secrets: Iterable[str]) -> list[logging.Handler]:
    """Send the log to stderr and, if the settings say so, to a file; returns the handlers, to be closed later.

    A file that cannot be opened (a full disk) is said, and keeps nobody from starting.
    """
    known = [*secrets, *(value for name in _SECRET_VARIABLES if (value := os.environ.get(name)))]
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    problem: OSError | None = None
    if config.file:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            size = int(config.megabytes * 1e6)
            handlers.append(
                RotatingFileHandler(
                    folder / "nightshift.log", maxBytes=size, backupCount=config.files, encoding="utf-8"
                )
            )
        except OSError as error:
            problem = error
    formatter = (JsonFormatter if config.format == "json" else RedactingFormatter)(known)
    for one in handlers:
        one.setFormatter(formatter)
    # Whatever a library set up before would write without our formatter.
    logging.basicConfig(level=config.level.upper(), handlers=handlers, force=True)
    if problem is not None:
        logging.getLogger(__name__).warning("There is no log file: %s cannot be written (%s)", folder, problem.strerror)
    return handlers


def log_files(folder: Path) -> list[Path]:
    """The files of the log, the oldest first."""
    numbered = [path for path in folder.glob("nightshift.log.*") if path.suffix[1:].isdecimal()]
    found = sorted(numbered, key=lambda path: -int(path.suffix[1:]))
    newest = folder / "nightshift.log"
    return [*found, newest] if newest.exists() else found


def entries(files: Sequence[Path]) -> Iterator[Entry]:
    """Every entry of these files, in their order. A file that is gone meanwhile is passed over."""
    for path in files:
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                yield from parse_entries(file)
        except FileNotFoundError:
            continue
