"""The machine: a card that torch cannot use is found by other ways, and what is said names the way out."""

from __future__ import annotations

import pytest

from bot.diagnosis import machine
from bot.diagnosis.machine import memory_finding, python
from bot.machine import Memory, NvidiaCard, TorchBuild, find_card, torch_problem
from trainer.memory_needs import MemoryNeeds

RTX = NvidiaCard("NVIDIA GeForce RTX 3060", "535.183.01")
NVRM = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\n"


@pytest.fixture
def without_smi(monkeypatch):
    """No `nvidia-smi` on the path."""
    monkeypatch.setattr("bot.machine.shutil.which", lambda _: None)


def test_a_card_is_found_by_what_its_driver_leaves_in_proc(tmp_path, without_smi):
    """Without nvidia-smi, as in a minimal installation."""
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(NVRM)
    (tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0/information").write_text(f"Model: \t\t {RTX.name}\nIRQ: 1\n")
    assert find_card(tmp_path) == RTX


def test_a_card_is_found_by_its_device_file_alone(tmp_path, without_smi):
    """Its name and driver are then unknown."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    assert find_card(tmp_path) == NvidiaCard()
    assert "unknown" in torch_problem(NvidiaCard(), TorchBuild("2.13.0+cpu", None, usable=False))


def test_a_card_is_found_by_nvidia_smi(tmp_path, monkeypatch):
    """As inside a container, where /proc may not show it."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "{RTX.name}, {RTX.driver}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert find_card(tmp_path) == RTX
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed because it could not reach the driver.' >&2\nexit 9\n")
    assert find_card(tmp_path) is None


def test_no_card_is_no_problem(tmp_path, without_smi):
    """A machine without one runs on its CPU, and is told nothing."""
    assert find_card(tmp_path) is None
    assert torch_problem(None, TorchBuild("2.13.0+cu130", "13.0", usable=False)) is None


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (TorchBuild("2.13.0+cpu", None, usable=False), "it is a build for the CPU alone; install one for CUDA"),
        (
            TorchBuild("2.13.0", "13.0", usable=False),
            "needs driver 580 or later; update the driver, or install",
        ),
        (TorchBuild("2.13.0+cu126", "12.6", usable=False), "see whether `nvidia-smi` works as this user"),
        (TorchBuild("2.13.0", "13.0", usable=False, hidden=True), "CUDA_VISIBLE_DEVICES hides it"),
    ],
)
def test_a_card_that_torch_cannot_use_is_said_with_the_way_out(build, says):
    """Each reason has its own."""
    problem = torch_problem(RTX, build)
    assert problem.startswith("an NVIDIA card is here (NVIDIA GeForce RTX 3060, driver 535.183.01) that this torch")
    assert says in problem


def test_a_card_that_is_too_old_for_the_build_is_said():
    """Torch for CUDA 13 has no kernels for a Pascal card."""
    old = TorchBuild("2.13.0+cu130", "13.0", usable=True, capability=(6, 1), oldest=(7, 5))
    assert "compute capability 6.1, and torch 2.13.0+cu130 has kernels from 7.5 on" in torch_problem(RTX, old)
    assert torch_problem(RTX, TorchBuild("2.13.0+cu126", "12.6", True, (8, 6), (5, 0))) is None


def test_an_unusable_card_fails_unless_the_cpu_was_asked_for(monkeypatch):
    """A bot on the CPU beside an idle card is a mistake, if nobody said so."""
    monkeypatch.setattr(machine, "find_card", lambda: RTX)
    monkeypatch.setattr(machine, "torch_build", lambda: TorchBuild("2.13.0+cpu", None, usable=False))
    assert machine.torch("auto").state == "broken"
    assert 'device = "cpu"' in machine.torch("auto").text
    assert machine.torch("cpu").state == "note"


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10), "broken"), ((3, 11), "good"), ((3, 13), "good"), ((3, 14), "note")]
)
def test_python_is_looked_at(version, state):
    """The oldest that works, and the newest that was tried."""
    assert python(version).state == state


@pytest.mark.parametrize(
    ("serve", "train", "free", "state", "says"),
    [
        (4, 3, 12, "good", "4.0 GB to answer, 3.0 to train, 7.0 for both"),
        (13, 3, 12, "broken", "smaller model, or lower context_tokens"),
        (4, 13, 12, "broken", "lower max_tokens"),
        (7, 6, 12, "note", "the bot sleeps while it trains"),
        (4, 3, 2, "note", "other programs use it"),
    ],
)
def test_memory_is_compared_with_what_the_model_needs(serve, train, free, state, says):
    """On a card with 12 GB."""
    found = memory_finding(MemoryNeeds(serve * 1e9, train * 1e9), Memory("the card", 12e9, free * 1e9, on_gpu=True))
    assert found.state == state
    assert says in found.text
