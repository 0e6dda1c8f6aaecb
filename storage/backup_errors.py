"""What can go wrong when a backup is made or restored, and with the keys of age."""

from __future__ import annotations

from pathlib import Path

from storage.errors import StorageError


class BackupExists(StorageError):
    """The file that a backup was to be written to is there."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} exists already: choose another name, so that no backup is overwritten.")
        self.file = file


class BackupDamaged(StorageError):
    """A file is no backup, or not a whole one."""

    def __init__(self, file: Path, cause: str) -> None:
        super().__init__(f"{file} is not a whole backup of Nightshift ({cause}): use another backup.")
        self.file = file
        self.cause = cause


class BackupNotEncrypted(StorageError):
    """A plain database was to be restored where it is to be encrypted."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"The database in {file} is not encrypted, but a key file is set: restore it without key_file in section "
            "[storage] and without NIGHTSHIFT_STORAGE__KEY_FILE, then set it and run `nightshift storage encrypt`."
        )
        self.file = file


class AgeKeyInvalid(StorageError):
    """A key of age cannot be used, or not for this file."""

    def __init__(self, key: str, cause: str) -> None:
        super().__init__(
            f"The age key {key} cannot be used ({cause}): `nightshift backup-key FILE` makes a pair of keys."
        )
        self.key = key
        self.cause = cause


class AgeKeyMissing(StorageError):
    """An encrypted backup without its key."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is encrypted: name the file with its secret key with --identity.")
        self.file = file


class AgeNotInstalled(StorageError):
    """Encryption of backups was asked for and the library is missing."""

    def __init__(self) -> None:
        super().__init__("Encrypted backups need pyrage: `pip install 'nightshift-discord[encrypted]'`.")
