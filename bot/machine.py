"""The machine: its NVIDIA card, whether this torch can use it, and how much memory there is.

A card is looked for by the traces that its driver leaves: a torch that cannot use a card does not see it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Memory", "NvidiaCard", "TorchBuild", "find_card", "memory_here", "torch_build", "torch_problem"]

_CUDA_DRIVERS = {11: 450, 12: 525, 13: 580}
"""The oldest Linux driver for each major version of CUDA (NVIDIA's CUDA compatibility guide)."""
_INDEX = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126"
_SMI_S = 10


@dataclass(frozen=True, slots=True)
class NvidiaCard:
    """An NVIDIA card by its driver: name and version of the driver, each "" where it is not known."""

    name: str = ""
    driver: str = ""

    def __str__(self) -> str:
        return f"{self.name or 'unknown model'}, driver {self.driver or 'unknown'}"


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """What torch was built for, and what it finds here.

    Attributes:
        version: torch's own.
        cuda: version of CUDA that it was built for; None for a build without.
        usable: whether it can compute on a card.
        capability: of the first card, such as (8, 6); None without one.
        oldest: the lowest capability that the build has kernels for.
        hidden: whether CUDA_VISIBLE_DEVICES hides all cards.
    """

    version: str
    cuda: str | None
    usable: bool
    capability: tuple[int, int] | None = None
    oldest: tuple[int, int] | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """Where models would run, and the bytes there."""

    place: str
    total: float
    free: float
    on_gpu: bool


def find_card(root: Path = Path("/")) -> NvidiaCard | None:
    """The NVIDIA card of this machine, whether or not torch can use it; `root` is where /proc and /dev are."""
    version, smi = _driver_file(root / "proc/driver/nvidia/version"), _from_smi()
    if smi is not None:
        return smi
    if version is not None or (root / "dev/nvidia0").exists():
        return NvidiaCard(_card_name(root), version or "")
    return None


def torch_build() -> TorchBuild:
    """What the installed torch says of itself and of the card."""
    import torch

    usable = torch.cuda.is_available()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    oldest = min((_capability(one) for one in torch.cuda.get_arch_list() if one.startswith("sm_")), default=None)
    return TorchBuild(
        torch.__version__,
        torch.version.cuda,
        usable,
        torch.cuda.get_device_capability() if usable else None,
        oldest,
        hidden=visible is not None and visible.strip() in ("", "-1"),
    )


def torch_problem(card: NvidiaCard | None, build: TorchBuild) -> str | None:
    """Why this torch cannot use the card that is here, and what to do; None where it can, or there is no card."""
    if build.usable and build.capability and build.oldest and build.capability < build.oldest:
        have, need = (".".join(map(str, one)) for one in (build.capability, build.oldest))
        return (
            f"the card has compute capability {have}, and torch {build.version} has kernels from {need} on: "
            f"install a build for an older CUDA ({_INDEX})"
        )
    if card is None or build.usable:
        return None
    here = f"an NVIDIA card is here ({card}) that this torch ({build.version}) cannot use"
    if build.hidden:
        return f"{here}: CUDA_VISIBLE_DEVICES hides it; unset that variable"
    if build.cuda is None:
        return f"{here}: it is a build for the CPU alone; install one for CUDA ({_INDEX})"
    needed, driver = _CUDA_DRIVERS.get(int(build.cuda.partition(".")[0]), 0), _major(card.driver)
    if driver and driver < needed:
        return (
            f"{here}: it is built for CUDA {build.cuda}, which needs driver {needed} or later; update the driver, or "
            f"install a build for CUDA 12 ({_INDEX})"
        )
    return (
        f"{here}, although it is built for CUDA {build.cuda}: see whether `nvidia-smi` works as this user; after an "
        "update of the driver restart the machine, and in a container pass the card on (`--gpus all`)"
    )


def memory_here(device: str = "auto") -> Memory:
    """The memory where `[model] device` puts the model: the card's, else the machine's."""
    import torch

    from model.base.device import pick_device

    chosen = pick_device(device)
    if chosen.type == "cuda":
        left, whole = torch.cuda.mem_get_info(chosen)
        return Memory(torch.cuda.get_device_name(chosen), float(whole), float(left), on_gpu=True)
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = (float(page * os.sysconf(name)) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    return Memory("the CPU", total, max(free, _available()), on_gpu=False)


def _available() -> float:
    """Bytes that the kernel could hand out, its caches included; 0 where it does not say."""
    try:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return 0.0
    return float(found[1]) * 1024 if found else 0.0


def _from_smi() -> NvidiaCard | None:
    """The first card that `nvidia-smi` lists."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    ask = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=_SMI_S, check=True).stdout  # noqa: S603 - a fixed program
    except (OSError, subprocess.SubprocessError):
        return None
    name, _, driver = (said.splitlines() or [""])[0].partition(",")
    return NvidiaCard(name.strip(), driver.strip()) if name.strip() else None


def _driver_file(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", text)
    return found[1] if found else ""


def _card_name(root: Path) -> str:
    for path in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        found = re.search(r"^Model:\s*(.+)$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
        if found:
            return found[1].strip()
    return ""


def _capability(architecture: str) -> tuple[int, int]:
    """(8, 6) of sm_86 or sm_90a."""
    digits = re.sub(r"\D", "", architecture)
    return int(digits[:-1] or 0), int(digits[-1:] or 0)


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdecimal() else 0
