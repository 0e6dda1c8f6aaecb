"""What must be true of a home and its Discord after any number of faults: everything that was acknowledged.

It knows what members asked, which verdicts moderators read as recorded, and who was told to be forgotten.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from storage.errors import StorageError
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from tests.bot.loopback import BOT, REVIEW, Loopback
from tests.torture.program import answer_to

__all__ = ["Oracle"]

_NOTICE = "\u26a0"
_STORED = "\n"  # a notice below an answer is a line of its own

_VERDICTS = "select verdict from reviews where reply_id = ? order by id"
_DOUBLE = """
    select prompt_message_id, count(*) from replies where prompt_message_id is not null group by 1 having count(*) > 1
"""


@dataclass
class Oracle:
    """Acknowledged acts. Words are unique: each question ends with one, and the answer repeats it."""

    asked: dict[str, int] = field(default_factory=dict)  # word: who
    verdicts: dict[int, list[str]] = field(default_factory=dict)  # reply: what was read as recorded, in order
    forgotten: set[str] = field(default_factory=set)  # words whose member was told that they are deleted

    def complaints(self, place: Loopback) -> list[str]:
        """What is wrong on Discord, once the bot is up and nothing changes any more."""
        said = [text for text in place.said() if not text.startswith(_NOTICE)]
        found = [f"half an answer: {text!r}" for text in said if self._half(text)]
        shown = Counter(word for text in said if (word := self._word(text)))
        found += [f"{word} was answered {count} times" for word, count in shown.items() if count > 1]
        cards = Counter(
            one["embeds"][0]["footer"]["text"].split("\u00b7")[0].strip()
            for one in place.messages[REVIEW].values()
            if one["author"]["id"] == str(BOT) and one["embeds"] and "footer" in one["embeds"][0]
        )
        return found + [f"{count} cards: {name}" for name, count in cards.items() if count > 1]

    def stored_complaints(self, home: Home) -> list[str]:
        """What is wrong in the home, once the bot has ended."""
        found = []
        db = sqlite3.connect(home.db)
        try:
            (whole,) = db.execute("pragma integrity_check(1)").fetchone()
            found += [f"integrity_check: {whole}"] if whole != "ok" else []
            found += [f"foreign key: {row}" for row in db.execute("pragma foreign_key_check").fetchall()]
            for reply, verdicts in self.verdicts.items():
                stored = [
                    row[0] for row in db.execute("select verdict from reviews where reply_id = ? order by id", [reply])
                ]
                gone = db.execute("select 1 from replies where id = ? and redacted = 0", [reply]).fetchone() is None
                if not gone and not _contains(stored, verdicts):
                    found.append(f"reply {reply}: {verdicts} were acknowledged, {stored} are stored")
            found += [f"stored twice: {row}" for row in db.execute(_DOUBLE).fetchall()]
            champion = db.execute("select adapter from promotions order by id desc limit 1").fetchone()
        finally:
            db.close()
        return found + self._bytes(home) + _adapters(home, champion[0] if champion else None)

    def _word(self, text: str) -> str | None:
        first = text.split(maxsplit=1)[0] if text.split() else ""
        return first if first in self.asked else None

    def _half(self, text: str) -> bool:
        word = self._word(text)
        return word is not None and text != answer_to(word) and _STORED not in text

    def _bytes(self, home: Home) -> list[str]:
        files = [path for path in home.root.rglob("*") if path.is_file()]
        held = {path: path.read_bytes() for path in files}
        return [
            f"{word} was forgotten and is in {path.relative_to(home.root)}"
            for word in self.forgotten
            for path, data in held.items()
            if word.encode() in data
        ]


def _contains(stored: list[str], wanted: list[str]) -> bool:
    """Whether the acknowledged verdicts are among the stored ones, in order: one may be stored and not acknowledged."""
    rest = iter(stored)
    return all(any(one == verdict for one in rest) for verdict in wanted)


def _adapters(home: Home, champion: str | None) -> list[str]:
    directory = AdapterDirectory(home.adapters)
    found = []
    for adapter in {*directory.ids(), *([champion] if champion else [])}:
        try:
            directory.verify(adapter)
        except StorageError as error:
            found.append(str(error))
    return found + [f"half an adapter: {path.name}" for path in _partial(home.adapters)]


def _partial(adapters: Path) -> list[Path]:
    return [
        path
        for path in adapters.iterdir()
        if path.is_dir() and not path.name.startswith(".") and not (path / "manifest.json").exists()
    ]
