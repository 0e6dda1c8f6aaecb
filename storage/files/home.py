"""Where all state lives: one directory, and the names of what is in it.

Knows only paths. Nothing here opens the database or reads a setting.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from storage.errors import HomeUnwritable

DEFAULT_HOME = Path("nightshift-data")


@dataclass(frozen=True, slots=True)
class HomePart:
    """The folder of a process's log, and the file by which it shows that it is well."""

    logs: Path
    health: Path


@dataclass(frozen=True, slots=True)
class Home:
    """The state directory. Its parts are named whether or not they exist yet."""

    root: Path

    @property
    def db(self) -> Path:
        return self.root / "nightshift.db"

    @property
    def adapters(self) -> Path:
        return self.root / "adapters"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def config(self) -> Path:
        return self.root / "nightshift.toml"

    @property
    def health(self) -> Path:
        return self.root / "health.json"

    def part(self, shards: str) -> HomePart:
        """The files that each of several processes has for itself; `shards` is empty where there is one process."""
        if not shards:
            return HomePart(self.logs, self.health)
        return HomePart(self.logs / f"shards-{shards}", self.root / f"health-{shards}.json")

    def ensure(self) -> Home:
        """Make the directories, or make private what is there already, and prove that they can be written.

        A home holds what people said to the bot: from now on this process makes no file that others may read.

        Raises:
            HomeUnwritable: a directory cannot be made, or a file cannot be written in the home.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.umask(0o077)
            make_private(self.root)
            for part in (self.adapters, self.runs, self.models):
                part.mkdir(exist_ok=True)
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as error:
            raise HomeUnwritable(self.root, error.strerror or "it cannot be written") from error
        return self


def make_private(path: Path) -> None:
    """Take the rights of everybody but the owner off a file, or off a folder and all that is in it."""
    _close_to_others(path)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            _close_to_others(Path(folder, name))


def _close_to_others(path: Path) -> None:
    # Something that is gone meanwhile, or another user's, is not ours to close.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode) and mode & 0o077:
            path.chmod(stat.S_IMODE(mode) & ~0o077)


def find_home(explicit: Path | None = None) -> Home:
    """The home to use: `explicit` (`--home`), else `NIGHTSHIFT_HOME`, else `./nightshift-data`. Makes nothing."""
    chosen = explicit or Path(os.environ.get("NIGHTSHIFT_HOME") or DEFAULT_HOME)
    return Home(chosen.expanduser().absolute())
