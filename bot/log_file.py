"""The bot's log in the home: a file that begins anew when it is large, without tokens, and how it is read again.

What members write is not logged. Still the file is the owner's alone, as everything in the home.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from bot.settings import LogConfig

__all__ = ["LEVELS", "Entry", "RedactingFormatter", "entries", "log_files", "open_log", "parse_entries"]

LEVELS = ("debug", "info", "warning", "error", "critical")
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_ENTRY = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) ([A-Z]+) ")
_SECRETS = re.compile(
    r"\b[\w-]{23,30}\.[\w-]{5,8}\.[\w-]{25,}\b"  # a Discord token: id, time and signature
    r"|\bhf_[A-Za-z0-9]{16,}\b"
    r"|(?<=/webhooks/)\d+/[\w-]{20,}"
    r"|(?<=Bearer )[\w.-]{16,}"
)
_HIDDEN = "[secret]"
_SECRET_VARIABLES = ("DISCORD_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_SHORTEST = 8  # characters of a secret that is looked for by its text


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log, with a traceback if it has one. `at` is local time, as the log has it."""

    at: datetime
    level: str
    text: str


class RedactingFormatter(logging.Formatter):
    """Formats entries, tracebacks included, without secrets: the given ones, and what looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(_FORMAT)
        self._secrets = sorted({one for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for one in self._secrets:
            text = text.replace(one, _HIDDEN)
        return _SECRETS.sub(_HIDDEN, text)


def open_log(folder: Path, config: LogConfig, secrets: Iterable[str]) -> list[logging.Handler]:
    """Send the log to stderr and, if the settings say so, to a file; gives the handlers, for whoever closes them.

    A file that cannot be opened (a full disk) is said, and keeps nobody from starting.
    """
    known = [*secrets, *(value for name in _SECRET_VARIABLES if (value := os.environ.get(name)))]
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    problem: OSError | None = None
    if config.file:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            size = int(config.megabytes * 1e6)
            handlers.append(
                RotatingFileHandler(
                    folder / "nightshift.log", maxBytes=size, backupCount=config.files, encoding="utf-8"
                )
            )
        except OSError as error:
            problem = error
    for one in handlers:
        one.setFormatter(RedactingFormatter(known))
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


def parse_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Entries from lines; a line without a time goes on with the one before it. Lines before the first are left out."""
    head: re.Match[str] | None = None
    held: list[str] = []
    for line in lines:
        found = _ENTRY.match(line)
        if found is not None:
            if head is not None:
                yield _entry(head, held)
            head, held = found, []
        if head is not None:
            held.append(line)
    if head is not None:
        yield _entry(head, held)


def _entry(head: re.Match[str], lines: Sequence[str]) -> Entry:
    at = datetime.fromisoformat(f"{head[1]}.{head[2]}")
    return Entry(at, head[3].casefold(), "".join(lines).rstrip("\n"))
