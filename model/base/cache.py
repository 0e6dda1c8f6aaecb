"""Converted bases on disk: each with a seal that tells whether it is whole, made by one process at a time. No torch."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model.base.weight_files import Digests, damage_of, missing_shards

__all__ = ["SCRATCH", "clear_leftovers", "converting", "damage", "is_sealed", "put_in_place", "seal"]

_SEAL = "nightshift.json"
SCRATCH = ".convert-"
"""How the directories of conversions begin that are going on."""
_NEEDED = ("config.json", "tokenizer_config.json")


def seal(directory: Path, digests: Digests) -> None:
    """Write down what the files of a converted base hold."""
    files = [file for file in sorted(directory.iterdir()) if file.is_file() and file.name != _SEAL]
    (directory / _SEAL).write_text(json.dumps({"files": digests.of(files)}, indent=1), encoding="utf-8")


def is_sealed(directory: Path) -> bool:
    """Whether it was written down what the files of a converted base hold."""
    return (directory / _SEAL).is_file()


def damage(directory: Path, digests: Digests) -> str | None:
    """Why a converted base cannot be used, None where it is whole. Without a seal only its shape can be looked at."""
    try:
        return _damage(directory, digests)
    except (OSError, ValueError) as error:
        return str(error)


def _damage(directory: Path, digests: Digests) -> str | None:
    lost = [name for name in _NEEDED if not (directory / name).is_file()] + missing_shards(directory)
    weights = sorted(directory.glob("*.safetensors"))
    if lost or not weights:
        return f"{lost[0] if lost else 'the file of its weights'} is missing"
    broken = next((why for file in weights if (why := damage_of(file))), None)
    if broken:
        return broken
    sealed = _sealed(directory)
    if sealed is None:
        json.loads((directory / "config.json").read_bytes())
        return None
    gone = next((name for name in sealed if not (directory / name).is_file()), None)
    if gone:
        return f"{gone} is missing"
    found = digests.of(directory / name for name in sealed)
    changed = next((name for name, digest in sealed.items() if found[name] != digest), None)
    return f"{changed} has changed since it was made" if changed else None


def _sealed(directory: Path) -> dict[str, str] | None:
    """The digests that the seal holds, None where there is no seal. Raises ValueError for a broken one."""
    file = directory / _SEAL
    if not file.is_file():
        return None
    sealed = json.loads(file.read_bytes())
    files = sealed.get("files") if isinstance(sealed, dict) else None
    if not isinstance(files, dict) or not files or any(Path(name).name != name for name in files):
        raise ValueError(f"{_SEAL} is damaged")
    return {str(name): str(digest) for name, digest in files.items()}


@contextmanager
def converting(cache_dir: Path) -> Iterator[None]:
    """The right to convert, which one process has at a time; what a killed one left is cleared away first."""
    cache_dir.mkdir(parents=True, exist_ok=True)
    with _locked(cache_dir, fcntl.LOCK_EX):
        _clear(cache_dir)
        yield


def clear_leftovers(cache_dir: Path) -> None:
    """Remove what killed conversions left behind; while one goes on, nothing."""
    if not any(cache_dir.glob(f"{SCRATCH}*")):
        return
    try:
        with _locked(cache_dir, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _clear(cache_dir)
    except OSError:
        return


def put_in_place(built: Path, target: Path) -> None:
    """Make `built` the converted base; a damaged one that stood there is removed."""
    if target.exists():
        shutil.rmtree(target)
    built.rename(target)


def _clear(cache_dir: Path) -> None:
    for left in cache_dir.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(cache_dir: Path, how: int) -> Iterator[None]:
    """A lock that a killed process lets go of."""
    descriptor = os.open(cache_dir, os.O_RDONLY)  # the directory itself, so that no file is left
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
