"""`storage`: encrypt the database on the disk, and decrypt it again. Nothing else may use the home meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from bot.cli.options import HomeOption, act

if TYPE_CHECKING:
    from pathlib import Path

    from storage.files.home import Home

__all__ = ["register"]


group = typer.Typer(help="Encrypt the database on the disk, or decrypt it.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(group, name="storage")


@group.callback()
def start(home: HomeOption = None) -> None:
    """Encrypt the database on the disk, or decrypt it."""


@group.command()
def encrypt(home: HomeOption = None) -> None:
    """Encrypt the database with the key of [storage] key_file; makes the key if there is none yet."""
    from storage import encryption, encryption_change
    from storage.files.home import find_home

    place = find_home(home).ensure()
    key_file = _key_file(place)
    with _alone(place):
        if not key_file.exists() and not (place.db.exists() and not encryption.is_plain(place.db)):
            encryption.make_key_file(key_file)
            print(f"New key: {key_file}. Keep a copy elsewhere: without it nobody can read the database again.")
        key = encryption.read_key(key_file)
        if not place.db.exists():
            print("There is no database yet; it will be encrypted from the start.")
        elif encryption_change.encrypt(place.db, key):
            _note(place, "storage.encrypt")
            print(f"Encrypted: {place.db}")
        else:
            _open_once(place)
            print(f"Already encrypted: {place.db}")


@group.command()
def decrypt(home: HomeOption = None) -> None:
    """Decrypt the database; then remove [storage] key_file from the settings."""
    from storage import encryption, encryption_change
    from storage.files.home import find_home

    place = find_home(home).ensure()
    with _alone(place):
        if not place.db.exists():
            print("There is no database yet.")
        elif encryption.is_plain(place.db):
            print(f"Not encrypted: {place.db}")
        else:
            key = encryption.read_key(_key_file(place))
            _open_once(place)
            _note(place, "storage.decrypt")  # first: the settings still name the key
            encryption_change.decrypt(place.db, key)
            print(f"Decrypted: {place.db}. Now remove key_file from section [storage] in {place.config}.")


def _key_file(home: Home) -> Path:
    from bot.settings import load_settings
    from storage.encryption import key_file_of
    from storage.encryption_errors import KeyFileNotSet

    load_settings(home)  # a settings file that cannot be read is refused in its own sentence
    key_file = key_file_of(home.db)
    if key_file is None:
        raise KeyFileNotSet(home.config)
    return key_file


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Keep the bot and the trainer away. Raises HomeOccupied, RunBusy."""
    from storage.files.home_lock import occupy
    from trainer.lock import run_lock

    with occupy(home), run_lock(home.runs / "lock"):
        yield


def _open_once(home: Home) -> None:
    """Raise DatabaseKeyWrong and the like in their own words before anything is changed."""
    from storage.database import open_database

    open_database(home.db).close()


def _note(home: Home, action: str) -> None:
    """Write down what was done to the database, in it."""
    from storage.store import Store

    with Store.open(home.db) as store:
        store.act(lambda _: None, lambda _: act(action))
