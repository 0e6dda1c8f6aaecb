"""What `make torture` and `make soak` have in common: where they keep their files, and how they end."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ended", "folder_of"]


def folder_of(given: Path | None, name: str) -> Path:
    """The folder that was given, or a new one with this name in it."""
    folder = given or Path(tempfile.mkdtemp(prefix=f"nightshift-{name}-"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ended(complaints: Sequence[str], well: str) -> int:
    """Print the complaints, or that all is `well`; returns the exit code."""
    for complaint in complaints:
        print(complaint, file=sys.stderr)  # noqa: T201
    print(f"{len(complaints)} complaints" if complaints else well)  # noqa: T201
    return 1 if complaints else 0
