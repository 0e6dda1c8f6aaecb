"""How many cores this process may keep busy: those it may run on, and no more than its container's share of time.

A container with `cpus: 2` on a machine of 64 cores sees all 64. With a thread on each, its share is used up after a
small part of each period, and all threads stand still for the rest of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cores", "quota"]

_MOUNTED = "sys/fs/cgroup"
_UNLIMITED = "max"


def cores() -> int:
    """Threads that can run at once, at least one."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = quota()
    return here if share is None else max(1, min(here, int(share)))


def quota(root: Path = Path("/")) -> float | None:
    """Cores' worth of time that the control groups of this process leave it; None where they leave all.

    Both versions of control groups are read (Linux: admin-guide/cgroup-v2, "cpu.max", and scheduler/sched-bwc). The
    smallest share counts, of the group itself and of those around it.
    """
    return min(_shares(root), default=None)


def _shares(root: Path) -> Iterator[float]:
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = ("", "unified") if not controllers else (controllers, "cpu")
        for mount in dict.fromkeys(root / _MOUNTED / one for one in mounts):
            group = mount / path.lstrip("/")
            for folder in (group, *(one for one in group.parents if one.is_relative_to(mount))):
                yield from _share(folder)


def _share(folder: Path) -> Iterator[float]:
    """The share that one group sets, if it sets one."""
    limit, _, period = _text(folder / "cpu.max").strip().partition(" ")
    if not limit:
        limit, period = (_text(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    try:
        if limit != _UNLIMITED and float(limit) > 0 and float(period) > 0:
            yield float(limit) / float(period)
    except ValueError:
        return


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except (OSError, ValueError):
        return ""
