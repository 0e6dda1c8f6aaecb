"""Several processes training together: the curve of one, one store, one adapter."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from storage.files.adapter_directory import AdapterDirectory
from tests.trainer.test_launch import child_place  # noqa: F401 - a fixture
from tests.trainer.test_survival import losses
from trainer.progress import Lines
from trainer.result import RunResult
from trainer.run import run_once
from trainer.settings import load_trainer_settings


@pytest.fixture
def several(child_place):  # noqa: F811
    """Make a run in two processes that meet over gloo; returns what the first one printed."""

    def run(*options):
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        done = subprocess.run(
            [*launcher, "-m", "trainer", "--home", str(child_place.home.root), *options],
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        return [line for line in done.stdout.splitlines() if line.startswith("{")], done

    return run


async def test_two_processes_give_the_loss_curve_of_one(child_place, several):  # noqa: F811
    """The same global batch, the same steps, the same adapter within rounding; only process 0 writes and prints."""
    place = child_place
    lines, done = await asyncio.to_thread(several, "--force")
    assert len(lines) == 1, done.stderr
    together = RunResult.from_json(lines[0])
    assert together.outcome == "promoted", done.stderr
    with place.store() as store:
        assert [run.id for run in store.runs()] == [together.run]
        store.promote(None, kind="use", actor="test", reason="the base again")
    alone = await asyncio.to_thread(
        run_once, place.home, load_trainer_settings(place.home), progress=Lines(), force=True
    )
    # Gradients are summed in another order, and the optimizer's states have 8 bits.
    assert losses(place, together.run) == pytest.approx(
        losses(place, alone.run), rel=5e-3
    )  # summed in another order, and the optimizer has 8 bits
    assert together.challenger_nll == pytest.approx(alone.challenger_nll, rel=5e-3)
    assert AdapterDirectory(place.home.adapters).ids() == sorted([together.challenger, alone.challenger])


def test_helpers_go_home_when_there_is_nothing_to_train(child_place, several):  # noqa: F811
    """A run that is skipped leaves nobody waiting."""
    child_place.home.config.write_text(child_place.home.config.read_text() + "\n[training.extra]\n")
    lines, _ = several()
    assert len(lines) == 1
    assert RunResult.from_json(lines[0]).outcome == "failed"
    assert "extra" in lines[0]
