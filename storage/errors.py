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


class HomeNotEmpty(StorageError):
    """A backup was to be restored over something."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The home {path} already holds a database or adapters, and restoring would overwrite them: move it away, "
            "or choose another home with --home."
        )
        self.path = path
