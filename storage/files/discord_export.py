"""Conversations that DiscordChatExporter saved, as JSON or CSV: who said what, when, and in reply to what.

The layout is that of its writers (Tyrrrz/DiscordChatExporter, JsonMessageWriter and CsvMessageWriter). Knows messages,
not pairs: storage/files/voice_pairs.py makes those.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from storage.errors import FileUnusable
from storage.files.column_names import plain_name
from storage.files.csv_rows import DELIMITERS, csv_rows
from storage.files.encodings import open_text
from storage.files.json_values import json_items
from storage.files.row_rules import BadRow, RowRefused

__all__ = ["ExportKind", "Said", "Speaker", "export_kind", "find_speaker", "messages", "speakers"]

ExportKind = str
"""`json`, or the delimiter of a CSV file."""

_COLUMNS = ("authorid", "author", "date", "content")
_SPOKEN = {"default", "reply", "0", "19"}  # kinds of message that a person wrote; others are Discord's own notices
_DATES = (
    "%d-%b-%y %I:%M %p",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
)
_NAMED = 5  # of the speakers, where it is said who there is


@dataclass(frozen=True, slots=True)
class Said:
    """One message.

    Attributes:
        number: its line in the file.
        files: names of what is attached to it.
        reply_to: id of the message that it answers.
        mentions: people named in it, by id and by each name that may stand in the text.
    """

    number: int
    id: str
    author: int
    name: str
    text: str
    files: tuple[str, ...] = ()
    at: datetime | None = None
    reply_to: str | None = None
    mentions: tuple[tuple[int, str], ...] = ()


@dataclass(slots=True)
class Speaker:
    """Somebody in an export: their id, the names that they go by, and how many messages are theirs."""

    id: int
    names: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return self.names.total()

    @property
    def name(self) -> str:
        return self.names.most_common(1)[0][0]


def export_kind(path: Path) -> ExportKind | None:
    """How a file is to be read if it is an export; None where it is something else. Raises FileUnusable, OSError."""
    with open_text(path, newline="") as file:
        head = file.read(1)
        file.seek(0)
        if head == "{":
            first = next(json_items(file, "messages"), (0, None))[1]
            return "json" if isinstance(first, dict) and isinstance(first.get("author"), dict) else None
        for delimiter in DELIMITERS:
            file.seek(0)
            header = next(csv_rows(file, delimiter), (1, ""))[1]
            if not isinstance(header, str) and _positions(header) is not None:
                return delimiter
    return None


def messages(path: Path, kind: ExportKind) -> Iterator[Said | BadRow]:
    """What people said, in the order of the file; notices of Discord are left out, and other bots if it is JSON.

    A CSV does not say which authors are bots.
    """
    with open_text(path, newline="" if kind != "json" else "\n") as file:
        if kind == "json":
            for number, value in json_items(file, "messages"):
                if isinstance(value, RowRefused):
                    yield BadRow(number, str(value))
                elif (said := _from_json(number, value)) is not None:
                    yield said
            return
        rows = csv_rows(file, kind)
        at = _positions(_cells(next(rows)[1])) or {}
        for number, cells in rows:
            if isinstance(cells, str):
                yield BadRow(number, cells)
            elif (said := _from_csv(number, cells, at)) is not None:
                yield said


def speakers(path: Path, kind: ExportKind) -> list[Speaker]:
    """Everybody who speaks, who says most first."""
    found: dict[int, Speaker] = {}
    for one in messages(path, kind):
        if isinstance(one, Said):
            found.setdefault(one.author, Speaker(one.author)).names[one.name] += 1
    return sorted(found.values(), key=lambda one: (-one.count, one.id))


def find_speaker(path: Path, everybody: Iterable[Speaker], voice: str | None) -> Speaker:
    """Whose messages are the answers: by id, or by a name that only one person goes by.

    Raises FileUnusable, with who there is: nobody was named, nobody is called so, or several are.
    """
    everybody = list(everybody)
    there = ", ".join(f"{one.name} ({one.id}), {one.count:,} messages" for one in everybody[:_NAMED]) or "nobody"
    if voice is None:
        raise FileUnusable(
            path, f"is a Discord export: say whose messages are the answers with --voice (who speaks most: {there})"
        )
    wanted = voice.strip().removeprefix("@").casefold()
    found = [one for one in everybody if str(one.id) == wanted]
    found = found or [one for one in everybody if wanted in {name.casefold() for name in one.names}]
    if not found:
        raise FileUnusable(path, f"holds no message of {voice!r} (who speaks most: {there})", kind="voice")
    if len(found) > 1:
        ids = ", ".join(f"{one.id} ({one.count:,} messages)" for one in found)
        raise FileUnusable(path, f"holds messages of several people called {voice!r}: give the id, one of {ids}")
    return found[0]


def _from_json(number: int, value: object) -> Said | None:
    """A message that a person wrote."""
    if not isinstance(value, Mapping) or str(value.get("type", "Default")).casefold() not in _SPOKEN:
        return None
    author = value.get("author")
    if not isinstance(author, Mapping) or author.get("isBot") is True:
        return None
    who, text = _number(author.get("id")), value.get("content")
    if who is None or not isinstance(text, str):
        return None
    reference = value.get("reference")
    answered = reference.get("messageId") if isinstance(reference, Mapping) else None
    return Said(
        number,
        str(value.get("id", "")),
        who,
        _name(author),
        text.strip(),
        _file_names(value.get("attachments")),
        _moment(value.get("timestamp")),
        str(answered) if answered else None,
        tuple(_mentions(value.get("mentions"))),
    )


def _from_csv(number: int, cells: list[str], at: Mapping[str, int]) -> Said | None:
    if len(cells) <= max(at.values()):
        return None
    who = _number(cells[at["authorid"]])
    if who is None:
        return None
    files = cells[at["attachments"]].split(",") if "attachments" in at else []
    names = tuple(name for one in files if (name := one.strip().rpartition("/")[2].partition("?")[0]))
    name = re.sub(r"#\d{4}$", "", cells[at["author"]].strip())
    return Said(number, str(number), who, name, cells[at["content"]].strip(), names, _moment(cells[at["date"]]))


def _positions(header: Iterable[str]) -> dict[str, int] | None:
    """Where the columns are, by their names without spaces; None where one is missing."""
    found = {plain_name(name).replace(" ", "").lstrip("\ufeff"): index for index, name in enumerate(header)}
    return found if all(name in found for name in _COLUMNS) else None


def _cells(row: list[str] | str) -> list[str]:
    return [] if isinstance(row, str) else row


def _name(author: Mapping[str, Any]) -> str:
    """What the person is called on the server, else their name on Discord."""
    nickname = author.get("nickname")
    return nickname if isinstance(nickname, str) and nickname.strip() else str(author.get("name") or "")


def _mentions(value: object) -> Iterator[tuple[int, str]]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, Mapping) and (who := _number(one.get("id"))) is not None:
            for name in {_name(one), str(one.get("name") or "")} - {""}:
                yield who, name


def _file_names(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(str(one["fileName"]) for one in listed if isinstance(one, Mapping) and one.get("fileName"))


def _number(value: object) -> int | None:
    """A Discord id."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    return int(text) if text.isdecimal() and len(text) <= 19 and 0 < int(text) < 2**63 else None


def _moment(value: object) -> datetime | None:
    """When it was said; None where that cannot be read. Without a zone it counts as UTC: only differences matter."""
    if not isinstance(value, str):
        return None
    text, found = value.strip(), None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        for form in _DATES:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is set below
            except ValueError:
                continue
            break
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
