"""`import` and `export`: pairs from and to files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bot.cli.options import HomeOption, act, operator

if TYPE_CHECKING:
    from storage.audit_records import Act
    from storage.files.pair_files import BadRow
    from storage.files.voice_pairs import Names
    from storage.pair_records import ImportCount, NewPair

__all__ = ["register"]

_NAMED = 1000  # rows
_POLICY = (
    'These pairs are message content of Discord. They are learned from only with "discord_export" in learn_from\n'
    "([training]), for which Discord must have given its permission, and once everybody in them has opted in."
)
_SHOWN, _WIDTH = 5, 300  # pairs of a dry run, and characters of a text in it


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("import")(take_in)
    app.command("export")(give_out)


@dataclass(frozen=True)
class Wishes:
    """How a file is to be read."""

    prompt_column: str | None
    reply_column: str | None
    append_signature: str
    voice: str | None
    names: Names


def take_in(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", exists=True, dir_okay=False, help="A .jsonl, .json or .csv file, also packed as .gz."
        ),
    ],
    approved_by: Annotated[
        str | None, typer.Option("--approved-by", metavar="NAME", help="Who approved these pairs (default: you).")
    ] = None,
    prompt_column: Annotated[
        str | None, typer.Option("--prompt-column", metavar="NAME", help="The CSV column with the prompts.")
    ] = None,
    reply_column: Annotated[
        str | None, typer.Option("--reply-column", metavar="NAME", help="The CSV column with the replies.")
    ] = None,
    append_signature: Annotated[
        str, typer.Option("--append-signature", metavar="TEXT", help="Add this to the end of each reply.")
    ] = "",
    voice: Annotated[
        str | None,
        typer.Option("--voice", metavar="NAME|ID", help="Of a Discord export: whose messages are the answers."),
    ] = None,
    names: Annotated[
        Literal["keep", "replace"],
        typer.Option("--names", help="Of a Discord export: what becomes of other people's names."),
    ] = "replace",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show five pairs and count; import nothing.")] = False,
    home: HomeOption = None,
) -> None:
    """Import pairs from files as approved. Duplicates are skipped.

    Rows that cannot be used are named with their number and the reason; the others are kept. So are files, where there
    are several. Exit code 1 if a file cannot be used, or if no row can.
    """
    from storage.errors import FileUnusable

    wishes = Wishes(prompt_column, reply_column, append_signature, voice, names)
    keep = _show if dry_run else partial(_stored, approved_by=approved_by or operator(), home=home)
    counts: list[ImportCount] = []
    refused, failed = _Refused(), False
    for file in files:
        refused.file = f"{file.name}, " if len(files) > 1 else ""
        try:
            counts.append(_taken_in(file, wishes, refused, keep))
        except FileUnusable as error:
            if len(files) == 1:
                raise
            failed |= error.kind != "voice"
            print(error, file=sys.stderr)
    _report(counts, refused, dry_run=dry_run)
    if voice is not None:
        print(_POLICY)
    useless = not any(one.imported or one.duplicates for one in counts)
    if failed or (useless and (refused.count or any(one.refused for one in counts))):
        raise typer.Exit(1)


def _taken_in(
    file: Path, wishes: Wishes, refused: _Refused, keep: Callable[[Path, Iterator[NewPair]], ImportCount]
) -> ImportCount:
    """One file. Raises FileUnusable."""
    from storage.errors import FileUnusable
    from storage.files.gzip_file import is_gzip, unpacked

    try:
        packed = is_gzip(file)
        with unpacked(file) as plain:
            kind, rows = _opened(plain, wishes)
            count = keep(file, _usable(rows, refused))
    except OSError as error:
        raise FileUnusable(file, f"cannot be read ({error.strerror}): check its name and rights") from error
    print(f"{file.name}: {'gzip, ' if packed else ''}{kind}", file=sys.stderr)
    return count


def _opened(file: Path, wishes: Wishes) -> tuple[str, Iterator[NewPair | BadRow]]:
    """What a file is, in words, and its rows. Raises FileUnusable."""
    from storage.errors import FileUnusable
    from storage.files.discord_export import export_kind, find_speaker, speakers
    from storage.files.file_kind import describe_export, describe_pairs
    from storage.files.pair_files import read_pairs, read_voice

    kind = export_kind(file)
    if kind is None:
        if wishes.voice is not None:
            raise FileUnusable(file, "is no Discord export that Nightshift knows, so --voice means nothing")
        rows = read_pairs(
            file,
            prompt_column=wishes.prompt_column,
            reply_column=wishes.reply_column,
            append_signature=wishes.append_signature,
        )
        return describe_pairs(file, wishes.prompt_column, wishes.reply_column), rows
    voice = find_speaker(file, speakers(file, kind), wishes.voice)
    rows = read_voice(file, kind, voice, names=wishes.names, append_signature=wishes.append_signature)
    return f"{describe_export(file, kind)}; the answers are {voice.name}'s ({voice.id}, {voice.count:,} messages)", rows


def _stored(file: Path, pairs: Iterable[NewPair], *, approved_by: str, home: Path | None) -> ImportCount:
    from storage.files.home import find_home
    from storage.store import Store

    def noted(count: ImportCount) -> Act:
        counts = {"imported": count.imported, "duplicates": count.duplicates, "refused": count.refused}
        return act("pairs.import", file.name, approved_by=approved_by, **counts)

    with Store.open(find_home(home).ensure().db) as store:
        return store.import_pairs(pairs, approved_by, note=noted)


def _show(_file: Path, pairs: Iterator[NewPair]) -> ImportCount:
    """Print the first few pairs and count them all."""
    from storage.pair_records import ImportCount

    shown = list(islice(pairs, _SHOWN))
    for number, pair in enumerate(shown, start=1):
        print(f"--- pair {number} ---")
        for turn in pair.turns:
            print(f"{turn.role}: {_short(turn.content)}")
        print(f"assistant, to be learned: {_short(pair.completion)}")
    return ImportCount(imported=len(shown) + sum(1 for _ in pairs), duplicates=0, refused=0)


def _report(counts: Sequence[ImportCount], refused: _Refused, *, dry_run: bool) -> None:
    imported, held_back = sum(one.imported for one in counts), sum(one.refused for one in counts)
    for file, row in refused.named:
        print(f"{file}row {row.number}: {row.reason}")
    if refused.count > _NAMED:
        print(f"... and {refused.count - _NAMED:,} rows more")
    if dry_run:
        print(f"would import {imported} (duplicates not looked for), rejected {refused.count}")
        return
    print(f"imported {imported}, duplicates {sum(one.duplicates for one in counts)}, rejected {refused.count}")
    if held_back:
        print(
            f"refused {held_back}: they hold what was said, deleted or forgotten on Discord here, and a file "
            "cannot give the consent of the person who said it"
        )


def _short(text: str) -> str:
    """A text on lines of its own where it has several; cut where it is long."""
    cut = text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}\u2026"
    return cut.replace("\n", "\n    ")


@dataclass
class _Refused:
    """How many rows were refused, and the first of them with their file: a file may hold millions."""

    named: list[tuple[str, BadRow]] = field(default_factory=list)
    count: int = 0
    file: str = ""

    def add(self, row: BadRow) -> None:
        self.count += 1
        if self.count <= _NAMED:
            self.named.append((self.file, row))


def _usable(rows: Iterable[NewPair | BadRow], refused: _Refused) -> Iterator[NewPair]:
    """The pairs among the rows; the others are put aside in `refused`."""
    from storage.files.pair_files import BadRow

    for row in rows:
        if isinstance(row, BadRow):
            refused.add(row)
        else:
            yield row


def give_out(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="Where to write: .jsonl or .csv.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also pairs of words that training.learn_from leaves out.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Write the approved pairs of origins that are learned from to a file.

    The file can be taken in again with `import`, and says where its words came from.
    """
    from bot.settings import load_settings
    from storage.files.home import find_home
    from storage.files.pair_files import write_pairs
    from storage.store import Store

    place = find_home(home).ensure()
    with Store.open(place.db) as store:
        chosen = load_settings(place).training.learn_from
        learned = frozenset(store.learned_origins(chosen))
        kept = (pair for pair in store.pairs() if everything or {pair.origin, *pair.origins} <= learned)
        count = write_pairs(file, kept)
        note = act("pairs.export", pairs=count)
        store.audit(note.actor_id, note.actor, note.action, details=note.details)
        left_out = store.counts("operator", learn_from=chosen).approved - count
    print(f"exported {count}")
    if left_out:
        print(
            f"left out {left_out}: training.learn_from leaves out words in them, such as Discord messages, on which "
            "nobody may train without Discord's permission; --all writes them too"
        )
