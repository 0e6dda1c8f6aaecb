"""A short run of the machine behind `make torture`, with the same faults each time."""

from __future__ import annotations

import json

import pytest

from tests.torture.machine import torture


@pytest.mark.timeout(600)
async def test_a_few_random_faults_lose_nothing_that_was_acknowledged(tmp_path, monkeypatch):
    """Seed 3; a run of an hour with other seeds is `make torture SEED=...`."""
    assert await torture(tmp_path, seed=3, faults=6, every=6, monkeypatch=monkeypatch) == []
    done = json.loads((tmp_path / "state.json").read_text(encoding="utf-8"))["done"]
    assert done["asked"] > 0
    assert done["verdicts acknowledged"] > 0  # else nothing was there to be lost
