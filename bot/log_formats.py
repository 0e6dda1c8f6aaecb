"""How an entry of the log is written, as text or as JSON, and read again. No secret gets into either.

A file may hold both, after the setting was changed. Knows no files.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.request_id import request_id

__all__ = ["LEVELS", "Entry", "JsonFormatter", "RedactingFormatter", "figures", "parse_entries"]

LEVELS = ("debug", "info", "warning", "error", "critical")
_FORMAT = "%(asctime)s %(levelname)-7s %(name)s%(request)s: %(message)s"
_ENTRY = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) ([A-Z]+) (?: *[^\s:\[]+ \[([^\]\s]*)\]: )?")
_SECRETS = re.compile(
    r"\b[\w-]{23,30}\.[\w-]{5,8}\.[\w-]{25,}\b"  # a Discord token: id, time and signature
    r"|\bhf_[A-Za-z0-9]{16,}\b"
    r"|(?<=/webhooks/)\d+/[\w-]{20,}"
    r"|(?<=Bearer )[\w.-]{16,}"
)
_HIDDEN = "[secret]"
_SHORTEST = 8  # characters of a secret that is looked for by its text


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log.

    Attributes:
        at: local time.
        level: one of LEVELS.
        text: as a terminal shows it, with a traceback if it has one.
        request: id of the request that was being answered, or "".
    """

    at: datetime
    level: str
    text: str
    request: str = ""


def figures(**values: float | str | None) -> dict[str, Any]:
    """For `log.info(..., extra=figures(seconds=1.2))`: what the JSON of an entry has beside its message."""
    return {"figures": values}


class RedactingFormatter(logging.Formatter):
    """Formats entries, tracebacks included, without secrets: the given ones, and what looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__(_FORMAT)
        self._secrets = sorted({one for one in secrets if len(one) >= _SHORTEST}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        record.request = f" [{request}]" if (request := request_id()) else ""
        return self.redact(super().format(record))

    def redact(self, text: str) -> str:
        """The text without secrets."""
        for one in self._secrets:
            text = text.replace(one, _HIDDEN)
        return _SECRETS.sub(_HIDDEN, text)


class JsonFormatter(RedactingFormatter):
    """One line of JSON for each entry: `at` (UTC), `level`, `logger`, `message`; where known, `request`, `error`.

    `error` is the traceback. What was given as `figures` stands beside them.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = dict(getattr(record, "figures", {}))
        entry |= {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.casefold(),
            "logger": record.name,
            "message": self.redact(record.getMessage()),
        }
        if request := request_id():
            entry["request"] = request
        if record.exc_info:
            entry["error"] = self.redact(self.formatException(record.exc_info))
        return self.redact(json.dumps(entry, ensure_ascii=False, default=str))


def parse_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Entries from lines; a line that begins none goes on with the one before it. Lines before the first are left out.

    An entry in JSON becomes the text that it would have been.
    """
    head: re.Match[str] | None = None
    held: list[str] = []
    for line in lines:
        whole = _from_json(line) if line.startswith("{") else None
        found = _head(line) if whole is None else None
        if head is not None and (found is not None or whole is not None):
            yield _entry(head, held)
            head = None
        if whole is not None:
            yield whole
        elif found is not None:
            head, held = found, [line]
        elif head is not None:
            held.append(line)
    if head is not None:
        yield _entry(head, held)


def _head(line: str) -> re.Match[str] | None:
    """What an entry begins with; a line with an impossible date begins none."""
    found = _ENTRY.match(line)
    try:
        return found if found and _moment(found) else None
    except ValueError:
        return None


def _moment(head: re.Match[str]) -> datetime:
    return datetime.fromisoformat(f"{head[1]}.{head[2]}")


def _entry(head: re.Match[str], lines: Sequence[str]) -> Entry:
    return Entry(_moment(head), head[3].casefold(), "".join(lines).rstrip("\n"), head[4] or "")


def _from_json(line: str) -> Entry | None:
    try:
        read = json.loads(line)
        at = datetime.fromisoformat(read["at"]).astimezone().replace(tzinfo=None)
        level, logger, message = str(read["level"]), read["logger"], read["message"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    request = str(read.get("request", ""))
    mark, below = f" [{request}]" if request else "", f"\n{read['error']}" if read.get("error") else ""
    moment = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03}"
    return Entry(at, level, f"{moment} {level.upper():<7} {logger}{mark}: {message}{below}", request)
