"""What can go wrong in the store, each with its data and the one sentence a person reads.

`str(error)` says what to do about it; no caller needs to look at SQLite's or the system's own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class StorageError(Exception):
    """Anything the store refuses or cannot do. Its text is one sentence for a person."""


class HomeUnwritable(StorageError):
    """The state directory cannot be made or written."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The home {path} cannot be written ({cause}): choose another with --home or NIGHTSHIFT_HOME, "
            "or give this user write permission."
        )
        self.path = path
        self.cause = cause


class HomeOccupied(StorageError):
    """Another bot runs on this home."""

    def __init__(self, path: Path, pid: int | None) -> None:
        who = f" (process {pid})" if pid else ""
        super().__init__(
            f"Another Nightshift{who} is using the home {path}: stop it first, or choose another home with --home."
        )
        self.path = path
        self.pid = pid


class ShardOccupied(StorageError):
    """Another process serves a shard that this one is to serve."""

    def __init__(self, path: Path, shard: int, pid: int | None) -> None:
        who = f"Process {pid}" if pid else "Another process"
        super().__init__(
            f"{who} serves shard {shard} on the home {path}: give each process a shard_range ([discord]) of its own."
        )
        self.path = path
        self.shard = shard
        self.pid = pid


class ShardsDiffer(StorageError):
    """Other processes on this home divide the servers over another number of shards."""

    def __init__(self, path: Path, others: int | None, count: int) -> None:
        super().__init__(
            f"The other processes on the home {path} count {others} shards, not {count}: "
            "set the same number (shards under [discord]) for all of them."
        )
        self.path = path
        self.others = others
        self.count = count


class DatabaseUnreadable(StorageError):
    """The database file cannot be opened, or is not a SQLite database."""

    def __init__(self, path: Path, cause: str) -> None:
        super().__init__(
            f"The database {path} cannot be opened ({cause}): restore it from a backup, or move it away to start again."
        )
        self.path = path
        self.cause = cause


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


class DatabaseNewer(StorageError):
    """A newer version of the program has written this database."""

    def __init__(self, path: Path, unknown: Sequence[str]) -> None:
        super().__init__(
            f"The database {path} was written by a newer Nightshift (with {', '.join(unknown)}): "
            "update Nightshift, or use another home."
        )
        self.path = path
        self.unknown = tuple(unknown)


class DatabaseBusy(StorageError):
    """Another process held the database for longer than a writer waits."""

    def __init__(self, waited_s: float) -> None:
        super().__init__(f"Another process kept the database locked for more than {waited_s:g} s: try again later.")
        self.waited_s = waited_s


class DatabaseDamaged(StorageError):
    """The database file is there, and what it holds is not whole."""

    def __init__(self, path: Path | None, cause: str) -> None:
        name = f"The database {path}" if path is not None else "The database"
        super().__init__(
            f"{name} is damaged ({cause}): stop Nightshift, keep the file, and restore a backup, "
            "or rescue what can be read with sqlite3's .recover."
        )
        self.path = path
        self.cause = cause


class DatabaseUnwritable(StorageError):
    """The system does not let the database be read or written."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"The database cannot be read or written ({cause}): check the disk and the permissions of the home."
        )
        self.cause = cause


class DiskFull(StorageError):
    """There is no room for what was to be written."""

    def __init__(self) -> None:
        super().__init__(
            "The disk is full or a file size limit is reached, so nothing was written: free some space and try again."
        )


class StoreClosed(StorageError):
    """The bot's store was asked for something after it was closed."""

    def __init__(self) -> None:
        super().__init__("The store is closed: start Nightshift again.")


class ReplyNotFound(StorageError):
    """No reply has this number."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(f"There is no reply {reply_id}: it was never stored, or has been deleted.")
        self.reply_id = reply_id


class ReplyRedacted(StorageError):
    """A verdict was given on a reply whose words are gone."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(
            f"Reply {reply_id} cannot be reviewed: parts of it were removed, so it is not used for training."
        )
        self.reply_id = reply_id


class EditEmpty(StorageError):
    """An edit without any text."""

    def __init__(self, reply_id: int) -> None:
        super().__init__("An edit needs a corrected answer: write one, or reject the reply.")
        self.reply_id = reply_id


class NothingToUndo(StorageError):
    """A verdict was to be taken back where there is none."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(f"Reply {reply_id} has no review to undo: it is still waiting for one.")
        self.reply_id = reply_id


class NoVerdicts(StorageError):
    """A moderator's verdicts were to be taken back, and none counts."""

    def __init__(self, moderator_id: int) -> None:
        super().__init__(
            f"Moderator {moderator_id} has decided nothing since then that still counts: check the id, or name an "
            "earlier time."
        )
        self.moderator_id = moderator_id


class UndoingGone(StorageError):
    """Verdicts were to be put back that were put back already, or never taken back."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"There is no undoing {number}, or it was reversed already: `nightshift audit` lists what was undone."
        )
        self.number = number


class NotInQuarantine(StorageError):
    """A decision was made about a pair that does not wait for one."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(
            f"Reply {reply_id} is not waiting in quarantine: it was already decided, has changed, or was never there."
        )
        self.reply_id = reply_id


class SecondModeratorNeeded(StorageError):
    """The moderator who approved a pair was about to decide on its quarantine too."""

    def __init__(self, reply_id: int) -> None:
        super().__init__(
            f"Reply {reply_id} was approved by you: another moderator has to decide, or the operator with "
            "`nightshift quarantine`."
        )
        self.reply_id = reply_id


class RunNotFound(StorageError):
    """No run has this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id}: `nightshift runs` lists all of them.")
        self.run_id = run_id


class AdapterMissing(StorageError):
    """No adapter has this id, in the database or the adapter directory."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"There is no adapter {adapter}: `nightshift adapters` lists all of them.")
        self.adapter = adapter


class AdapterDamaged(StorageError):
    """An adapter's files are not what its manifest says."""

    def __init__(self, adapter: str, problem: str) -> None:
        super().__init__(
            f"Adapter {adapter} is damaged ({problem}): use another with `nightshift adapters use`, "
            "or restore its directory from a backup."
        )
        self.adapter = adapter
        self.problem = problem


class AdapterExists(StorageError):
    """A published adapter is never written again."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"Adapter {adapter} already exists: publish under a new id.")
        self.adapter = adapter


class AdapterRetired(StorageError):
    """A retired adapter was asked to be the champion."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"Adapter {adapter} is retired (it learned from withdrawn messages): choose another one.")
        self.adapter = adapter


class AdapterUnpublished(StorageError):
    """An adapter could not be published; nothing of it is left behind."""

    def __init__(self, adapter: str, problem: str) -> None:
        super().__init__(f"Adapter {adapter} was not published ({problem}): fix that and train again.")
        self.adapter = adapter
        self.problem = problem


class NothingToRollBack(StorageError):
    """There is no earlier champion."""

    def __init__(self) -> None:
        super().__init__("There is nothing to roll back: the base model is in use and no adapter was used before it.")


class ChampionChanged(StorageError):
    """Somebody else changed the adapter in use meanwhile.

    Attributes:
        champion: the one in use now, None for the bare base.
    """

    def __init__(self, champion: str | None) -> None:
        super().__init__(
            f"The adapter in use has just been changed (now: {champion or 'the base model'}): check it "
            "and choose again."
        )
        self.champion = champion


class DocumentNotFound(StorageError):
    """No document of this server has this number."""

    def __init__(self, document_id: int) -> None:
        super().__init__(f"There is no document {document_id} here: `nightshift knowledge list` lists all of them.")
        self.document_id = document_id


class DocumentUnreadable(StorageError):
    """A file that is no document, or a damaged one."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} cannot be read: {why}; correct that, or take another file.")
        self.name = name
        self.why = why


class DocumentEmpty(StorageError):
    """A document without any text."""

    def __init__(self, title: str) -> None:
        super().__init__(f"{title} has no text that can be read: a scanned page has to be turned into text first.")
        self.title = title


class DocumentTooLong(StorageError):
    """A document with more text than one may have."""

    def __init__(self, title: str, characters: int, most: int) -> None:
        super().__init__(f"{title} has {characters:,} characters, and a document may have {most:,}: split it up.")
        self.title = title
        self.characters = characters
        self.most = most


class KnowledgeFull(StorageError):
    """A server has as much as it may have; `most` says how much that is."""

    def __init__(self, most: str) -> None:
        super().__init__(f"This server may have {most}: remove a document first.")
        self.most = most


class FileUnusable(StorageError):
    """A file of pairs cannot be read or written as a whole (single bad rows are not errors).

    `kind` says what is wrong to those who have their own words for it: "columns", "packed", "rows", "voice", or "".
    """

    def __init__(self, path: Path, problem: str, *, kind: str = "") -> None:
        super().__init__(f"{path} {problem}.")
        self.path = path
        self.problem = problem
        self.kind = kind


class DatabaseMissing(StorageError):
    """There is nothing to back up."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no database {path} yet: choose the home with --home or NIGHTSHIFT_HOME.")
        self.path = path


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


class HomeNotEmpty(StorageError):
    """A backup was to be restored over something."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The home {path} already holds a database or adapters, and restoring would overwrite them: move it away, "
            "or choose another home with --home."
        )
        self.path = path


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
