"""A backup: one archive with the database, the adapters and the settings, made while everything runs, and restored.

The database is copied by SQLite's own backup, so it is the state of one moment; an encrypted one stays encrypted with
its key, which is not in the archive. Adapters never change once they are published, so they are copied afterwards.
`manifest.json` comes last in the archive, with the SHA-256 of every file; an archive without it is not whole. The
archive as a whole is encrypted for a recipient if one is given (age, https://age-encryption.org).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, cast

from storage import encryption
from storage.backup_errors import BackupDamaged, BackupExists, BackupNotEncrypted
from storage.database import check_database
from storage.errors import HomeNotEmpty
from storage.faults import in_own_words
from storage.files import age
from storage.files.adapter_directory import MANIFEST as ADAPTER_MANIFEST
from storage.files.adapter_directory import AdapterDirectory, is_adapter_name
from storage.files.home import Home
from storage.files.private_file import sync
from storage.files.scratch_folder import scratch_folder

__all__ = ["MANIFEST", "PARTIAL", "make", "restore", "verify"]

MANIFEST = "manifest.json"
PARTIAL = ".backup-"
"""How the name of a backup begins until it is whole."""
_FORMAT = 1
_LEVEL = 1  # adapters hardly shrink; the database does with little work
_CHUNK = 1 << 20
_LARGEST_MANIFEST = 64_000_000  # bytes
_LONGEST_NAME = 255  # bytes; of most file systems


def make(home: Home, file: Path, *, recipient: str = "") -> dict[str, Any]:
    """Write a backup of a home to a new file, which appears whole or not at all; returns the manifest.

    Args:
        home: with a database; the bot and the trainer may be using it.
        file: the archive to make.
        recipient: an age public key (`age1...`) that alone can open it; empty for no encryption.

    Raises:
        BackupExists: the file is there already.
        AgeKeyInvalid, EncryptionNotInstalled: see `storage.files.age`.
        StorageError: the database cannot be read, or the disk is full.
    """
    if file.exists():
        raise BackupExists(file)
    file.parent.mkdir(parents=True, exist_ok=True)
    with in_own_words(), scratch_folder(home.root, ".backup-") as scratch:
        database, archive = scratch / "nightshift.db", scratch / "archive"
        _copy_database(home.db, database)
        manifest = _write_archive(archive, _files(home, database, scratch))
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=PARTIAL)
        os.close(descriptor)
        partial = Path(name)
        try:
            if recipient:
                age.encrypt(archive, partial, recipient)
            else:
                shutil.copyfile(archive, partial)
            sync(partial)
            partial.rename(file)
            sync(file.parent)
        finally:
            partial.unlink(missing_ok=True)
    return manifest


def verify(file: Path, *, identity: Path | None = None) -> dict[str, Any]:
    """Read a backup through without restoring it; returns its manifest. Raises what `restore` raises."""
    with in_own_words(), tempfile.TemporaryDirectory(prefix="nightshift-") as scratch:
        return _unpack(file, Path(scratch), identity)


def restore(file: Path, home: Home, *, identity: Path | None = None) -> dict[str, Any]:
    """Unpack a backup into a home that holds no database yet; returns the manifest.

    Everything is unpacked beside its place and compared with the manifest before anything is put there; the database
    comes last.

    Args:
        file: the archive.
        home: where to; its other files (a downloaded model) stay.
        identity: the file with the age secret key, for an encrypted archive.

    Raises:
        HomeNotEmpty: there is a database, or there are adapters.
        BackupDamaged: the archive is no backup, or not whole.
        BackupNotEncrypted: its database is plain, and the one of this home is to be encrypted.
        AgeKeyInvalid, AgeKeyMissing: it is encrypted, and not for this key.
    """
    if home.db.exists() or AdapterDirectory(home.adapters).ids():
        raise HomeNotEmpty(home.root)
    home.ensure()
    with in_own_words(), scratch_folder(home.root, ".restore-") as staging:
        manifest = _unpack(file, staging, identity, plain=encryption.key_file_of(home.db) is None)
        if encryption.is_plain(staging / "nightshift.db"):
            check_database(staging / "nightshift.db")
        for adapter in sorted((staging / "adapters").glob("*")):
            adapter.rename(home.adapters / adapter.name)
        if (staging / home.config.name).exists() and not home.config.exists():
            (staging / home.config.name).rename(home.config)
        sync(staging / "nightshift.db")
        (staging / "nightshift.db").rename(home.db)
        sync(home.root)
    return manifest


def _copy_database(source: Path, target: Path) -> None:
    """The database of one moment. Readers and writers go on meanwhile."""
    target.touch(mode=0o600)
    db = encryption.connect(source)
    try:
        copy = encryption.connect_like(source, target)
        try:
            db.backup(copy)
            copy.execute("pragma journal_mode = delete")
        finally:
            copy.close()
    finally:
        db.close()


def _files(home: Home, database: Path, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Names in the archive and the files: the database, the settings, every whole adapter."""
    yield "nightshift.db", database
    if home.config.is_file():
        yield home.config.name, home.config
    for adapter in AdapterDirectory(home.adapters).ids():
        linked = scratch / "adapters" / adapter
        if _linked(home.adapters / adapter, linked):
            yield from ((f"adapters/{adapter}/{path.name}", path) for path in sorted(linked.iterdir()))


def _linked(adapter: Path, target: Path) -> bool:
    """Hold on to an adapter's files by a second name, also if it is pruned meanwhile; False if it already was."""
    target.mkdir(parents=True)
    try:
        for path in adapter.iterdir():
            if path.is_file():
                _hold(path, target / path.name)
    except FileNotFoundError:
        return False
    return (target / ADAPTER_MANIFEST).exists()


def _hold(file: Path, name: Path) -> None:
    try:
        name.hardlink_to(file)
    except FileNotFoundError:
        raise
    except OSError:  # the adapters are on another disk, or on one without second names
        shutil.copyfile(file, name)


def _write_archive(archive: Path, files: Iterator[tuple[str, Path]]) -> dict[str, Any]:
    hashes: dict[str, str] = {}
    with tarfile.open(archive, "w:gz", compresslevel=_LEVEL) as tar:
        for name, path in files:
            with path.open("rb") as source:
                hashes[name] = _add(tar, name, source, os.fstat(source.fileno()).st_size)
        manifest = {"format": _FORMAT, "made_at": datetime.now(UTC).isoformat(timespec="seconds"), "files": hashes}
        text = json.dumps(manifest, indent=1).encode()
        _add(tar, MANIFEST, io.BytesIO(text), len(text))
    return manifest


class _Hashing:
    """A file that is hashed while it is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self.sha256 = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.sha256.update(data)
        return data


def _add(tar: tarfile.TarFile, name: str, source: IO[bytes], size: int) -> str:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    hashing = _Hashing(source)
    tar.addfile(info, cast("IO[bytes]", hashing))
    return hashing.sha256.hexdigest()


def _unpack(file: Path, target: Path, identity: Path | None, *, plain: bool = True) -> dict[str, Any]:
    """Unpack into an empty folder and compare with the manifest; without `plain`, refuse a plain database at once.

    Raises BackupDamaged, BackupNotEncrypted.
    """
    opened = file
    try:
        if age.is_encrypted(file):
            opened = target / ".archive"
            age.decrypt(file, opened, identity)
        with tarfile.open(opened, mode="r|gz") as tar:
            found = {member.name: _take(tar, member, target, file, plain=plain) for member in tar}
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, UnicodeDecodeError, ValueError) as error:
        raise BackupDamaged(file, str(error) or type(error).__name__) from error
    finally:
        if opened is not file:
            opened.unlink(missing_ok=True)
    found.pop(MANIFEST, None)
    manifest = _manifest(target / MANIFEST, file)
    if manifest["files"] != found or "nightshift.db" not in found:
        listed = manifest["files"]
        wrong = sorted(name for name in found.keys() | listed.keys() if found.get(name) != listed.get(name))
        raise BackupDamaged(file, f"{wrong[0] if wrong else 'the database'} is not what was packed")
    return manifest


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, file: Path, *, plain: bool) -> str:
    """Write one member to its place; returns its SHA-256. Only the names that a backup has are accepted."""
    parts = Path(member.name).parts
    known = (len(parts) == 1 and parts[0] in ("nightshift.db", "nightshift.toml", MANIFEST)) or (
        len(parts) == 3
        and parts[0] == "adapters"
        and is_adapter_name(parts[1])
        and not parts[2].startswith(".")
        and len(os.fsencode(parts[2])) <= _LONGEST_NAME
    )
    source = tar.extractfile(member) if member.isreg() else None
    if not known or source is None:
        raise BackupDamaged(file, f"it holds {member.name!r}, which is no part of a backup")
    if member.name == MANIFEST and member.size > _LARGEST_MANIFEST:
        raise BackupDamaged(file, "its manifest is too large to be one")
    path = target / member.name
    if path.exists():
        raise BackupDamaged(file, f"it holds {member.name!r} twice")
    path.parent.mkdir(parents=True, exist_ok=True)
    sha256 = hashlib.sha256()
    with path.open("xb") as out:
        while data := source.read(_CHUNK):
            if not plain and out.tell() == 0 and member.name == "nightshift.db" and encryption.begins_plain(data):
                raise BackupNotEncrypted(file)
            sha256.update(data)
            out.write(data)
    return sha256.hexdigest()


def _manifest(path: Path, file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
        if manifest["format"] == _FORMAT and isinstance(manifest["files"], dict):
            return cast("dict[str, Any]", manifest)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BackupDamaged(file, "it has no manifest, so it is not whole") from error
    raise BackupDamaged(file, f"it was made by another version of Nightshift (format {manifest['format']})")
