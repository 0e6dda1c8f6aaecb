"""How many cores a process may keep busy, by its container: model/cores.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model import cores as counting
from model.cores import cores, quota


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A machine's files: which groups the process is in, and what they say."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "ascii")
    return root


GROUP = "sys/fs/cgroup/a/b"
V1 = "4:memory:/m\n3:cpu,cpuacct:/docker/x\n0::/\n"
CASES = {
    "no groups at all": ("", {}, None),
    "no limit": ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "a container's own group": ("0::/\n", {"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
    "a service's group": ("0::/a/b\n", {f"{GROUP}/cpu.max": "50000 100000\n"}, 0.5),
    "a smaller share around it": (
        "0::/a/b\n",
        {f"{GROUP}/cpu.max": "400000 100000\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"},
        3.0,
    ),
    "version 1": (
        V1,
        {
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "50000\n",
        },
        3.0,
    ),
    "version 1 where the container sees its own group as the top": (
        V1,
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
        2.0,
    ),
    "version 1 without a limit": (
        V1,
        {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
        None,
    ),
    "other groups' files": (V1, {"sys/fs/cgroup/memory/m/cpu.max": "100000 100000\n"}, None),
    "files that say nothing": ("0::/\nx\n", {"sys/fs/cgroup/cpu.max": "soon\n"}, None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_share_is_read_from_the_control_groups(tmp_path, name):
    """Of both versions; without one, there is no bound."""
    groups, files, share = CASES[name]
    assert quota(machine(tmp_path, groups, files)) == share


@pytest.mark.parametrize(("share", "threads"), [(0.5, 1), (1.9, 1), (1000.0, None), (None, None)])
def test_cores_are_bounded_by_the_share(monkeypatch, share, threads):
    """Rounded down, for threads that wait for each other gain nothing from half a core; at least one."""
    without = cores()
    monkeypatch.setattr(counting, "quota", lambda: share)
    assert cores() == (threads or without)


async def test_an_engine_keeps_to_the_share(tiny, start, monkeypatch):
    """Torch's threads and those of the compiled pass."""
    from model.fused.cpu import kernels
    from model.serving import worker

    asked: list[int] = []
    monkeypatch.setattr(counting, "quota", lambda: 1.0)
    monkeypatch.setattr(worker.torch, "set_num_threads", asked.append)
    kernels._cores.cache_clear()
    await start(tiny)
    assert kernels._cores() == 1
    assert asked
    assert set(asked) == {1}
    kernels._cores.cache_clear()
    assert torch.get_num_threads() >= 1
