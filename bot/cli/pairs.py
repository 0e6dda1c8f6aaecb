"""`import` and `export`: pairs from and to files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import HomeOption, operator

if TYPE_CHECKING:
    from storage.files.pair_files import BadRow
    from storage.records import NewPair

__all__ = ["register"]

_NAMED = 1000  # rows


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("import")(take_in)
    app.command("export")(give_out)


def take_in(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A .jsonl, .json or .csv file with pairs."),
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
    home: HomeOption = None,
) -> None:
    """Import pairs from a file as approved. Duplicates are skipped.

    Rows that cannot be used are named with their number and the reason; the others are kept. Exit code 1 if no row can
    be used.
    """
    from storage.files.home import find_home
    from storage.files.pair_files import read_pairs
    from storage.store import Store

    rows = read_pairs(file, prompt_column=prompt_column, reply_column=reply_column, append_signature=append_signature)
    refused = _Refused()
    with Store.open(find_home(home).ensure().db) as store:
        count = store.import_pairs(_usable(rows, refused), approved_by or operator())
    for row in refused.named:
        print(f"row {row.number}: {row.reason}")
    if refused.count > _NAMED:
        print(f"... and {refused.count - _NAMED:,} rows more")
    print(f"imported {count.imported}, duplicates {count.duplicates}, rejected {refused.count}")
    if count.refused:
        print(
            f"refused {count.refused}: they hold what was said, deleted or forgotten on Discord here, and a file "
            "cannot give the consent of the person who said it"
        )
    if (refused.count or count.refused) and not count.imported and not count.duplicates:
        raise typer.Exit(1)


@dataclass
class _Refused:
    """How many rows were refused, and the first of them: a file may hold millions."""

    named: list[BadRow] = field(default_factory=list)
    count: int = 0

    def add(self, row: BadRow) -> None:
        self.count += 1
        if self.count <= _NAMED:
            self.named.append(row)


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
    home: HomeOption = None,
) -> None:
    """Write all approved pairs to a file.

    The file can be taken in again with `import`.
    """
    from storage.files.home import find_home
    from storage.files.pair_files import write_pairs
    from storage.store import Store

    with Store.open(find_home(home).ensure().db) as store:
        count = write_pairs(file, store.pairs())
    print(f"exported {count}")
