"""Backups: whole and of one moment while others write, restored byte for byte, and refused when they are not whole."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from pathlib import Path

import pytest

from storage import backup, encryption
from storage.backup_errors import AgeKeyInvalid, AgeKeyMissing, BackupDamaged, BackupExists, BackupNotEncrypted
from storage.errors import DiskFull, HomeNotEmpty
from storage.files import age
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.files.scratch_folder import scratch_folder
from storage.store import Store

WORDS = "the gulls are counted at noon"


@pytest.fixture
def home(tmp_path):
    """A home with a database, a setting and two adapters."""
    home = Home(tmp_path / "home").ensure()
    with Store.open(home.db) as store:
        store.audit(None, "operator", "test", WORDS)
    home.config.write_text('persona = "A keeper."\n', encoding="utf-8")
    for number in (1, 2):
        add_adapter(home, f"night-{number}", tmp_path / f"source-{number}")
    return home


def add_adapter(home, name, source):
    source.mkdir(exist_ok=True)
    (source / "adapter_config.json").write_text("{}")
    (source / "adapter_model.safetensors").write_bytes(name.encode() * 1000)
    AdapterDirectory(home.adapters).publish(name, source, {"base_model": "b"})


def subjects(home):
    with Store.open(home.db) as store:
        return [act.subject for act in store.audit_search(limit=100_000)]


def files_of(home):
    return {
        path.relative_to(home.adapters).as_posix(): path.read_bytes()
        for path in home.adapters.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_a_round_trip_brings_back_everything(home, tmp_path):
    """Rows, adapters (with their seals) and settings."""
    file = tmp_path / "out" / "one.backup"
    made = backup.make(home, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert backup.verify(file) == made
    other = Home(tmp_path / "other")
    assert backup.restore(file, other) == made
    assert subjects(other) == subjects(home)
    assert files_of(other) == files_of(home)
    assert other.config.read_text() == home.config.read_text()
    for adapter in ("night-1", "night-2"):
        AdapterDirectory(other.adapters).verify(adapter)
    assert not [path for path in (*home.root.iterdir(), *other.root.iterdir()) if path.name.startswith(".")]


def test_a_backup_made_under_load_is_of_one_moment(home, tmp_path):
    """While rows are written and adapters appear and go: consecutive rows without a gap, whole adapters."""
    stop = threading.Event()

    def write():
        with Store.open(home.db) as store:
            number = 0
            while not stop.is_set():
                with store.writing():  # both rows, or neither
                    store.audit(None, "operator", "first", str(number))
                    store.audit(None, "operator", "second", str(number))
                number += 1

    def publish():
        number = 0
        while not stop.is_set():
            add_adapter(home, f"busy-{number}", tmp_path / "busy")
            AdapterDirectory(home.adapters).prune(keep={"night-1", "night-2"})
            number += 1

    threads = [threading.Thread(target=write), threading.Thread(target=publish)]
    for thread in threads:
        thread.start()
    try:
        for number in range(5):
            backup.make(home, tmp_path / f"{number}.backup")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    counts = []
    for number in range(5):
        other = Home(tmp_path / f"restored-{number}")
        backup.restore(tmp_path / f"{number}.backup", other)
        with Store.open(other.db) as store:
            acts = store.audit_search(limit=1_000_000)
        first, second = ([int(a.subject) for a in acts if a.action == name] for name in ("first", "second"))
        assert first == second == list(range(len(first)))[::-1]
        counts.append(len(first))
        for adapter in AdapterDirectory(other.adapters).ids():
            AdapterDirectory(other.adapters).verify(adapter)
    assert counts == sorted(counts)
    assert counts[-1] > 0


def test_nothing_is_overwritten(home, tmp_path):
    """Neither a file that is there, nor a home that holds something."""
    file = tmp_path / "one.backup"
    backup.make(home, file)
    with pytest.raises(BackupExists):
        backup.make(home, file)
    with pytest.raises(HomeNotEmpty):
        backup.restore(file, home)
    home.db.unlink()
    with pytest.raises(HomeNotEmpty):  # its adapters are still there
        backup.restore(file, home)


@pytest.mark.parametrize("change", ["cut", "flipped", "empty", "text"])
def test_what_is_not_whole_is_refused_and_leaves_nothing(home, tmp_path, change):
    """A cut download, a bad disk, another file."""
    file = tmp_path / "one.backup"
    backup.make(home, file)
    data = bytearray(file.read_bytes())
    if change == "cut":
        data = data[: len(data) * 2 // 3]
    elif change == "flipped":
        data[len(data) // 2] ^= 255
    file.write_bytes(b"" if change == "empty" else b"no archive" * 100 if change == "text" else bytes(data))
    other = Home(tmp_path / "other")
    with pytest.raises(BackupDamaged):
        backup.restore(file, other)
    assert not other.db.exists()
    assert not list(other.root.glob(".*"))
    assert not list(other.adapters.iterdir())


def hostile(file, name, kind=tarfile.REGTYPE):
    """An archive whose one file has a name or a kind that no backup has, with a manifest that lists it."""
    with tarfile.open(file, "w:gz") as tar:
        info = tarfile.TarInfo(name)
        info.size, info.type, info.linkname = (4 if kind == tarfile.REGTYPE else 0), kind, "/etc/passwd"
        tar.addfile(info, io.BytesIO(b"evil"))
        text = json.dumps({"format": 1, "made_at": "now", "files": {}}).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))


@pytest.mark.parametrize(
    "name", ["../outside", "/var/outside", "adapters/../../outside", "adapters/a/b/c", "adapters/.x/y", "other.txt"]
)
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    """An archive may come from anybody."""
    hostile(tmp_path / "one.backup", name)
    with pytest.raises(BackupDamaged, match="no part of a backup"):
        backup.restore(tmp_path / "one.backup", Home(tmp_path / "inside" / "home"))
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_plain_files_are_taken(tmp_path, kind):
    """A link or a pipe in the database's place is none."""
    hostile(tmp_path / "one.backup", "nightshift.db", kind)
    with pytest.raises(BackupDamaged):
        backup.restore(tmp_path / "one.backup", Home(tmp_path / "home"))


def test_an_encrypted_backup_opens_with_its_key_alone(home, tmp_path):
    """The public key makes it; the words are not in it, and another key does not open it."""
    pytest.importorskip("pyrage")
    public = age.make_key(tmp_path / "key.txt")
    age.make_key(tmp_path / "other.txt")
    file = tmp_path / "one.backup"
    backup.make(home, file, recipient=public)
    assert b"SQLite" not in file.read_bytes()
    with pytest.raises(AgeKeyMissing):
        backup.verify(file)
    with pytest.raises(AgeKeyInvalid):
        backup.verify(file, identity=tmp_path / "other.txt")
    backup.restore(file, Home(tmp_path / "other"), identity=tmp_path / "key.txt")
    assert subjects(Home(tmp_path / "other")) == subjects(home)
    with pytest.raises(AgeKeyInvalid):
        backup.make(home, tmp_path / "two.backup", recipient="age1nonsense")
    assert not (tmp_path / "two.backup").exists()


def test_an_encrypted_database_stays_encrypted_in_its_backup(tmp_path):
    """With the same key, which is not in the archive."""
    pytest.importorskip("sqlcipher3")
    home = Home(tmp_path / "home").ensure()
    encryption.make_key_file(tmp_path / "database.key")
    home.config.write_text(f'[storage]\nkey_file = "{tmp_path / "database.key"}"\n', encoding="utf-8")
    with Store.open(home.db) as store:
        store.audit(None, "operator", "test", WORDS)
    backup.make(home, tmp_path / "one.backup")
    other = Home(tmp_path / "other")
    backup.restore(tmp_path / "one.backup", other)
    assert not encryption.is_plain(other.db)
    assert subjects(other) == [WORDS]
    with tarfile.open(tmp_path / "one.backup") as tar:
        assert (tmp_path / "database.key").read_bytes().strip() not in b"".join(
            tar.extractfile(member).read() for member in tar
        )


def test_a_plain_backup_is_refused_where_a_key_is_set(home, tmp_path, monkeypatch):
    """In its own words, and before anything of it is on the disk; without the key it is restored."""
    backup.make(home, tmp_path / "one.backup")
    other = Home(tmp_path / "other").ensure()
    encryption.make_key_file(tmp_path / "database.key")
    monkeypatch.setenv(encryption.VARIABLE, str(tmp_path / "database.key"))
    with pytest.raises(BackupNotEncrypted, match=r"one\.backup is not encrypted, .* `nightshift storage encrypt`"):
        backup.restore(tmp_path / "one.backup", other)
    assert not other.db.exists()
    assert WORDS.encode() not in b"".join(path.read_bytes() for path in other.root.rglob("*") if path.is_file())
    assert backup.verify(tmp_path / "one.backup")
    monkeypatch.delenv(encryption.VARIABLE)
    backup.restore(tmp_path / "one.backup", other)
    assert subjects(other) == [WORDS]


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_adapters_on_another_disk_are_copied(home, tmp_path, monkeypatch, code):
    """No file has names on two disks."""

    def elsewhere(*_args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "hardlink_to", elsewhere)
    backup.make(home, tmp_path / "one.backup")
    other = Home(tmp_path / "other")
    backup.restore(tmp_path / "one.backup", other)
    assert files_of(other) == files_of(home)


def test_a_killed_backup_leaves_no_words_behind(home, tmp_path):
    """Its folder goes when the store is next opened, but not while another backup is made."""
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from storage import backup; from storage.files.home import Home;"
        "backup._write_archive = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "backup.make(Home(Path(sys.argv[1])), Path(sys.argv[2]))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home.root), str(tmp_path / "a.backup")], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = home.root.glob(".backup-*")
    assert WORDS.encode() in (left / "nightshift.db").read_bytes()
    with scratch_folder(home.root, ".backup-") as mine:
        Store.open(home.db).close()
        assert mine.exists()
        assert left.exists()
    Store.open(home.db).close()
    assert not list(home.root.glob(".backup-*"))


def test_a_full_disk_while_a_backup_is_read_is_said_so(home, tmp_path, monkeypatch):
    """Also where nothing is restored."""
    backup.make(home, tmp_path / "one.backup")

    def full(*_args, **_named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", full)
    with pytest.raises(DiskFull):
        backup.verify(tmp_path / "one.backup")


def test_a_full_disk_leaves_no_half_backup(home, tmp_path, monkeypatch):
    """And says so in the store's sentence."""

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(DiskFull):
        backup.make(home, tmp_path / "out" / "one.backup")
    assert not list((tmp_path / "out").iterdir())
    assert not list(home.root.glob(".backup-*"))
