"""The adapter directory: publish, verify, list, prune. An adapter is there whole or not at all.

Files are copied to a temporary directory and fsynced, `manifest.json` is written last, and one rename makes the
adapter appear; a reader that finds no manifest finds no adapter. Nothing published is ever rewritten. Knows files and
hashes, not tensors, and not the database.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.adapter_errors import AdapterDamaged, AdapterExists, AdapterMissing, AdapterUnpublished
from storage.files.private_file import sync

MANIFEST = "manifest.json"
SEAL = "seal"
REQUIRED = ("adapter_config.json", "adapter_model.safetensors")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# Hidden names, which no adapter can have: an adapter being written or removed, and the lock between the two.
_PARTIAL = ".partial-"
_LOCK = ".lock"
_CHUNK = 1 << 20
_LARGEST_MANIFEST = 16_000_000  # bytes


class AdapterDirectory:
    """`<home>/adapters`. Safe to use from several processes at once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, adapter_id: str) -> Path:
        """Where an adapter is, or would be."""
        return self._root / adapter_id

    def ids(self) -> list[str]:
        """Every adapter that has a manifest, sorted."""
        if not self._root.is_dir():
            return []
        return sorted(
            entry.name for entry in self._root.iterdir() if is_adapter_name(entry.name) and (entry / MANIFEST).is_file()
        )

    def publish(self, adapter_id: str, source: Path, manifest: Mapping[str, Any]) -> Path:
        """Copy the files of `source` (not its folders) to a new adapter; returns its directory.

        `manifest` is kept as it is, with "adapter" (the id), "files" (name to SHA-256) and "seal" (a SHA-256 of all
        the others) added.

        Raises:
            AdapterExists: the id is taken.
            AdapterUnpublished: a needed file is missing, the id cannot be a name, or writing failed. Nothing is left.
        """
        if not is_adapter_name(adapter_id):
            raise AdapterUnpublished(adapter_id, "an id has letters, digits, '.', '_' and '-', and is not 'base'")
        if self.path(adapter_id).exists():
            raise AdapterExists(adapter_id)
        missing = [name for name in REQUIRED if not (source / name).is_file()]
        if missing:
            raise AdapterUnpublished(adapter_id, f"{source} has no {' and no '.join(missing)}")
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with self._lock(fcntl.LOCK_SH):
                return self._write(adapter_id, source, manifest)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # another process was quicker
                raise AdapterExists(adapter_id) from error
            raise AdapterUnpublished(adapter_id, error.strerror or str(error)) from error

    def manifest(self, adapter_id: str) -> dict[str, Any]:
        """An adapter's manifest, its files unchecked. Raises AdapterMissing, AdapterDamaged."""
        path = self.path(adapter_id) / MANIFEST
        if not is_adapter_name(adapter_id) or not path.is_file():
            raise AdapterMissing(adapter_id)
        try:
            with path.open("rb") as file:
                manifest = json.loads(file.read(_LARGEST_MANIFEST))
        except (OSError, ValueError, RecursionError) as error:
            raise AdapterDamaged(adapter_id, f"{MANIFEST} cannot be read") from error
        if not isinstance(manifest, dict) or manifest.get("adapter") != adapter_id:
            raise AdapterDamaged(adapter_id, f"{MANIFEST} is not this adapter's")
        return manifest

    def verify(self, adapter_id: str, published: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read every file again and compare; returns the manifest.

        Args:
            adapter_id: the adapter.
            published: what its row in the database says of the manifest; nothing else is accepted then.

        Raises:
            AdapterMissing: there is none.
            AdapterDamaged: a file or a line of the manifest is not what was published.
        """
        manifest = self.manifest(adapter_id)
        try:
            known = _seal(manifest) if SEAL in manifest else None  # none: published before manifests had a seal
            unchanged = manifest.get(SEAL) == known and _agrees(manifest, published or {})
        except RecursionError:
            unchanged = False
        if not unchanged:
            raise AdapterDamaged(adapter_id, f"{MANIFEST} has changed since it was published")
        files = manifest.get("files")
        if not isinstance(files, dict) or any(name not in files for name in REQUIRED):
            raise AdapterDamaged(adapter_id, f"{MANIFEST} does not list its files")
        if any(Path(name).name != name for name in files):
            raise AdapterDamaged(adapter_id, f"{MANIFEST} lists a file outside its directory")
        for name, expected in files.items():
            path = self.path(adapter_id) / name
            try:
                if path.exists() and not path.is_file():  # a device or a pipe may never end
                    raise AdapterDamaged(adapter_id, f"{name} is no file")
                found = _sha256(path)
            except FileNotFoundError as error:
                raise AdapterDamaged(adapter_id, f"{name} is gone") from error
            except (OSError, ValueError) as error:  # ValueError: a name that no file can have
                raise AdapterDamaged(adapter_id, f"{name!r} cannot be read") from error
            if found != expected:
                raise AdapterDamaged(adapter_id, f"{name} has changed since it was published")
        return manifest

    def prune(self, keep: set[str]) -> list[str]:
        """Remove every adapter that is not in `keep`; returns their ids."""
        return self.remove([adapter_id for adapter_id in self.ids() if adapter_id not in keep])

    def remove(self, names: Collection[str]) -> list[str]:
        """Remove these adapters and no other, whatever is published meanwhile; returns the ids of those there were."""
        removed = [adapter_id for adapter_id in self.ids() if adapter_id in names]
        if removed:
            with self._lock(fcntl.LOCK_SH):
                for adapter_id in removed:
                    # Away in one step first, so that nobody finds an adapter with half its files.
                    grave = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._root))
                    self.path(adapter_id).rename(grave / adapter_id)
                    shutil.rmtree(grave)
        return removed

    def sweep(self) -> list[str]:
        """Remove what a killed process left half-written or half-removed; returns the names. Waits for nobody."""
        if not self._root.is_dir():
            return []
        try:
            with self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB):
                stale = sorted(entry for entry in self._root.iterdir() if entry.name.startswith(_PARTIAL))
                for entry in stale:
                    shutil.rmtree(entry, ignore_errors=True)
                return [entry.name for entry in stale]
        except BlockingIOError:  # somebody is publishing; there is a next time
            return []

    def _write(self, adapter_id: str, source: Path, manifest: Mapping[str, Any]) -> Path:
        target = self.path(adapter_id)
        partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=self._root))
        try:
            files: dict[str, str] = {}
            for file in sorted(source.iterdir()):
                if file.is_file() and file.name != MANIFEST:
                    files[file.name] = _copy(file, partial / file.name)
            whole = {**manifest, "adapter": adapter_id, "files": files}
            text = json.dumps({**whole, SEAL: _seal(whole)}, indent=2, ensure_ascii=False)
            with (partial / MANIFEST).open("w", encoding="utf-8") as out:
                out.write(text + "\n")
                out.flush()
                os.fsync(out.fileno())
            sync(partial)
            partial.chmod(0o755)
            partial.rename(target)
            sync(self._root)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        return target

    @contextmanager
    def _lock(self, how: int) -> Iterator[None]:
        """Publishers share the lock, a sweep has it alone; a killed process releases it."""
        descriptor = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def is_adapter_name(name: str) -> bool:
    """Whether an adapter may have this id: a plain file name, not hidden, and not the word for the bare base."""
    return name != "base" and _NAME.fullmatch(name) is not None


def _seal(manifest: Mapping[str, Any]) -> str:
    """A SHA-256 of everything that a manifest says but for its seal, whatever the order."""
    said = {name: value for name, value in manifest.items() if name != SEAL}
    return hashlib.sha256(_canonical(said).encode()).hexdigest()


def _agrees(manifest: Mapping[str, Any], published: Mapping[str, Any]) -> bool:
    """Whether a manifest says all that was published; and nothing else, where that was sealed."""
    found = manifest if SEAL in published else {name: manifest.get(name) for name in published}
    return _canonical(found) == _canonical(published)


def _canonical(manifest: Mapping[str, Any]) -> str:
    """The same text for the same content, however it came here."""
    return json.dumps(json.loads(json.dumps(manifest)), sort_keys=True)


def _copy(source: Path, target: Path) -> str:
    """Copy one file down to the disk; returns its SHA-256."""
    with source.open("rb") as incoming, target.open("wb") as outgoing:
        digest = _digest(lambda: incoming.read(_CHUNK), outgoing.write)
        outgoing.flush()
        os.fsync(outgoing.fileno())
    return digest


def _sha256(path: Path) -> str:
    with path.open("rb") as incoming:
        return _digest(lambda: incoming.read(_CHUNK))


def _digest(read: Callable[[], bytes], write: Callable[[bytes], object] | None = None) -> str:
    digest = hashlib.sha256()
    while chunk := read():
        digest.update(chunk)
        if write is not None:
            write(chunk)
    return digest.hexdigest()
