"""`backup`, `restore` and `backup-key`: one archive of everything that cannot be made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.options import HomeOption

__all__ = ["register"]

IdentityOption = Annotated[
    Path | None,
    typer.Option(
        "--identity", metavar="FILE", exists=True, dir_okay=False, help="The secret key (age), if it is encrypted."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(backup)
    app.command()(restore)
    app.command("backup-key")(backup_key)


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", dir_okay=False, help="The archive to make (default: in [backup] directory)."),
    ] = None,
    recipient: Annotated[
        str | None,
        typer.Option(
            "--recipient", metavar="KEY", help="Public key (age) to encrypt for (default: [backup] recipient)."
        ),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Back up database, adapters and settings into one file, also while the bot runs."""
    from datetime import UTC, datetime

    from bot.backups import new_file
    from bot.settings import load_settings
    from storage import backup as archive
    from storage.errors import DatabaseMissing
    from storage.files.home import find_home

    place = find_home(home).ensure()
    config = load_settings(place).backup
    if not place.db.exists():
        raise DatabaseMissing(place.db)
    if file is None and not config.directory:
        raise typer.BadParameter("name a file, or set directory in section [backup]", param_hint="FILE")
    target = file or new_file(place.root / Path(config.directory).expanduser(), datetime.now(UTC))
    made = archive.make(place, target, recipient=config.recipient if recipient is None else recipient)
    print(f"Backed up to {target}: {_contents(made)}, {target.stat().st_size / 1e6:.1f} MB.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A backup.")],
    identity: IdentityOption = None,
    check: Annotated[bool, typer.Option("--check", help="Read it through and restore nothing.")] = False,
    home: HomeOption = None,
) -> None:
    """Restore a backup into a home that has no database yet."""
    from storage import backup as archive
    from storage.files.home import find_home

    if check:
        print(f"{file} is whole: {_contents(archive.verify(file, identity=identity))}.")
        return
    place = find_home(home)
    found = archive.restore(file, place, identity=identity)
    print(f"Restored to {place.root}: {_contents(found)}.")
    print("What members had deleted after that time is in the database again: delete it again if you know of it.")


def backup_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="Where to write the secret key.")],
    home: HomeOption = None,  # noqa: ARG001 - every command takes it
) -> None:
    """Make a key for encrypted backups; prints the public part, which [backup] recipient takes."""
    from storage.files import age

    try:
        public = age.make_key(file)
    except FileExistsError:
        raise typer.BadParameter(f"{file} exists already: a key is never overwritten", param_hint="FILE") from None
    print(f'Secret key: {file}. Keep it away from the backups and from this machine.\nrecipient = "{public}"')


def _contents(manifest: dict[str, Any]) -> str:
    adapters = {name.split("/")[1] for name in manifest["files"] if name.startswith("adapters/")}
    count = f"{len(adapters)} adapter{'' if len(adapters) == 1 else 's'}"
    return f"the database of {manifest['made_at']} and {count}"
