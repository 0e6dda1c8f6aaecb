"""What can go wrong with an encrypted database and its key."""

from __future__ import annotations

from pathlib import Path

from storage.errors import StorageError


class DatabaseEncrypted(StorageError):
    """The database is encrypted and no key is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The database {path} is encrypted: set key_file in section [storage] of nightshift.toml to the file that "
            "holds its key."
        )
        self.path = path


class DatabaseNotEncrypted(StorageError):
    """A key is set and the database is plain."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The database {path} is not encrypted yet, but key_file is set in section [storage]: stop Nightshift and "
            "run `nightshift storage encrypt`, or remove the setting."
        )
        self.path = path


class DatabaseKeyWrong(StorageError):
    """The key does not open the database."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The database {path} cannot be opened with the key that is set in section [storage]: set key_file to the "
            "file with the right key, or restore the database that belongs to this one."
        )
        self.path = path


class KeyFileNotSet(StorageError):
    """Encryption was asked for and no key file is named."""

    def __init__(self, config: Path) -> None:
        super().__init__(
            f'No key file is set: write `key_file = "/path/to/nightshift.key"` into section [storage] of {config}. '
            "Choose a place outside the home, such as another disk: a key beside the database protects nothing."
        )
        self.config = config


class KeyFileUnusable(StorageError):
    """The file with the key of the database cannot be used."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The key file {path} cannot be used ({cause}): correct key_file in section [storage], or make a key with "
            "`nightshift storage encrypt`."
        )
        self.path = path
        self.cause = cause


class EncryptionNotInstalled(StorageError):
    """A key is set and the library that encrypts is missing."""

    def __init__(self) -> None:
        super().__init__(
            "An encrypted database needs SQLCipher: `pip install 'nightshift-discord[encrypted]'`, or remove key_file "
            "from section [storage]."
        )
