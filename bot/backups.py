"""The backup that a running bot makes once a day, and the end of old ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.discord_io.background import BackgroundTask
from bot.settings import BackupConfig
from storage import backup
from storage.files.home import Home

__all__ = ["Backups", "delete_old", "due_file", "new_file"]

_EVERY_HOURS = 1.0
_PREFIX, _SUFFIX = "nightshift-", ".backup"
_TIME = "%Y%m%dT%H%M%SZ"
_AGE = timedelta(days=1)
_EARLY = timedelta(minutes=30)  # so that the hour of a backup does not creep round the clock

_log = logging.getLogger(__name__)


class Backups:
    """Makes and deletes backups while the bot runs.

    `announce` tells moderators of the first failure in a row; `lead` says whether it is this process that makes them.
    """

    def __init__(
        self,
        home: Home,
        config: BackupConfig,
        announce: Callable[[Callable[[], str]], Awaitable[bool]],
        lead: Callable[[], Awaitable[bool]],
    ) -> None:
        from discord.ext import tasks

        self._home, self._config, self._lead = home, config, lead
        self._folder = home.root / Path(config.directory).expanduser()
        task = BackgroundTask("backup", self.make_if_due, announce)

        async def run() -> None:  # discord.py wants a coroutine function
            await task()

        self._loop = tasks.loop(hours=_EVERY_HOURS)(run)

    def start(self) -> None:
        """Look now and every hour; nothing where no directory is set."""
        if self._config.directory:
            self._loop.start()

    def stop(self) -> None:
        """Stop looking."""
        self._loop.cancel()

    async def make_if_due(self) -> Path | None:
        """Make a backup if the newest is a day old, then delete the old ones; returns the new file."""
        file = await asyncio.to_thread(due_file, self._folder, datetime.now(UTC))
        if file is None or not await self._lead():
            return None
        await asyncio.to_thread(backup.make, self._home, file, recipient=self._config.recipient)
        await asyncio.to_thread(delete_old, self._folder, self._config.keep_days, datetime.now(UTC))
        _log.info("Backup written: %s", file)
        return file


def new_file(folder: Path, now: datetime) -> Path:
    """The name of a backup made at this time (UTC)."""
    return folder / f"{_PREFIX}{now.strftime(_TIME)}{_SUFFIX}"


def due_file(folder: Path, now: datetime) -> Path | None:
    """The file to write if a backup is due; None while the newest is younger than a day."""
    made = _made(folder, now)
    if made and now - made[-1][0] < _AGE - _EARLY:
        return None
    return new_file(folder, now)


def delete_old(folder: Path, keep_days: float, now: datetime) -> list[Path]:
    """Delete the backups that are older than that, but never the newest; returns what was deleted."""
    old = [file for made_at, file in _made(folder, now)[:-1] if now - made_at > timedelta(days=keep_days)]
    for file in (*old, *_abandoned(folder, now)):
        file.unlink(missing_ok=True)
    return old


def _abandoned(folder: Path, now: datetime) -> list[Path]:
    """Backups that a killed process had begun to write; none takes a day."""
    before = (now - _AGE).timestamp()
    return [file for file in folder.glob(f"{backup.PARTIAL}*") if file.is_file() and file.stat().st_mtime < before]


def _made(folder: Path, now: datetime) -> list[tuple[datetime, Path]]:
    """The backups in a folder by their names, oldest first; other files are none of ours.

    One that is dated in the future, by a clock that was set back since, counts when its time has come.
    """
    found = []
    for file in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        try:
            made_at = datetime.strptime(file.name[len(_PREFIX) : -len(_SUFFIX)], _TIME).replace(tzinfo=UTC)
        except ValueError:
            continue
        if made_at <= now:
            found.append((made_at, file))
    return sorted(found)
