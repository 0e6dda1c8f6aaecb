"""The daily backup of a running bot."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta

from bot.app import Nightshift
from bot.backups import Backups, delete_old, due_file, new_file
from bot.settings import BackupConfig
from storage import backup
from storage.store import Store
from tests.fake_engine import FakeEngine

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def made(folder, *ages_days):
    folder.mkdir(exist_ok=True)
    return [new_file(folder, NOON - timedelta(days=age)) for age in ages_days]


def test_one_is_due_when_the_newest_is_a_day_old(tmp_path):
    """A clock that was set back does not keep it from being made."""
    assert due_file(tmp_path, NOON) == new_file(tmp_path, NOON)
    for age, due in ((0.5, False), (0.95, False), (1.0, True), (3.0, True), (-2.0, True)):
        (file,) = made(tmp_path, age)
        file.touch()
        assert (due_file(tmp_path, NOON) is not None) == due, age
        file.unlink()


def test_one_dated_in_the_future_neither_makes_another_each_hour_nor_counts_as_the_newest(tmp_path):
    """The clock was ahead when it was made; the newest before it stays, too."""
    for file in made(tmp_path, -400, 0.1, 20, 30):
        file.touch()
    assert due_file(tmp_path, NOON) is None
    assert due_file(tmp_path, NOON + timedelta(days=1)) is not None
    later = NOON + timedelta(days=90)
    assert [file.name for file in delete_old(tmp_path, 14, later)] == [file.name for file in made(tmp_path, 30, 20)]


def test_one_that_was_never_finished_goes_after_a_day(tmp_path):
    """Its process was killed; it is the words of everybody, in a file that nobody counts."""
    for name, age in (("old", timedelta(days=2)), ("new", timedelta(hours=1))):
        (tmp_path / f".backup-{name}").touch()
        moment = (NOON - age).timestamp()
        os.utime(tmp_path / f".backup-{name}", (moment, moment))
    assert delete_old(tmp_path, 14, NOON) == []
    assert [file.name for file in tmp_path.iterdir()] == [".backup-new"]


def test_old_ones_go_and_the_newest_and_strange_files_stay(tmp_path):
    """What is deleted is ours by its name."""
    files = made(tmp_path, 0, 13, 15, 40)
    for file in files:
        file.touch()
    (tmp_path / "nightshift-holiday.backup").touch()
    (tmp_path / "photo.jpg").touch()
    assert delete_old(tmp_path, 14, NOON) == [files[3], files[2]]
    assert delete_old(tmp_path, 14, NOON + timedelta(days=365)) == [files[1]]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [files[0].name, "nightshift-holiday.backup", "photo.jpg"]
    )


async def test_a_running_bot_makes_one_and_not_another(home, settings, tmp_path):
    """The first look makes it; it is whole."""
    config = BackupConfig(directory=str(tmp_path / "backups"))
    settings = settings.model_copy(update={"backup": config})
    async with Nightshift.open(home, settings, engine=FakeEngine()) as app:
        await app.store.call(Store.audit, None, "operator", "test", "words")
        async with asyncio.timeout(30):
            while not (made := list((tmp_path / "backups").glob("*.backup"))):  # noqa: ASYNC110 - of the loop's own making
                await asyncio.sleep(0.01)
        assert "nightshift.db" in backup.verify(made[0])["files"]
        assert await app.backups.make_if_due() is None


async def test_a_failure_is_announced_once(home, tmp_path):
    """A folder that cannot be made, such as a disk that is not mounted, is told to the moderators."""
    (tmp_path / "file").touch()
    told = []

    async def announce(text):
        told.append(text())
        return True

    async def leads():
        return True

    backups = Backups(home, BackupConfig(directory=str(tmp_path / "file" / "below")), announce, leads)
    for _ in range(3):
        await backups._loop.coro()
    assert len(told) == 1
    assert "backup" in told[0]
