"""A home with pairs, on a tiny random base: everything of a run is real but the size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from model.base.loading import LoadedBase, load_base
from model.config import MemoryConfig, ModelConfig
from storage.files.home import Home
from storage.store import Store
from tests.tiny import make_tiny_base
from tests.trainer.pairs import new_pairs
from trainer.progress import Lines
from trainer.run import run_once
from trainer.settings import GateConfig, TrainerSettings, TrainingConfig


@dataclass(frozen=True)
class TinyBase:
    """A tiny base on disk, converted once."""

    config: ModelConfig
    cache: Path

    def load(self) -> LoadedBase:
        return load_base(self.config, self.cache)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> TinyBase:
    root = tmp_path_factory.mktemp("tiny")
    return TinyBase(ModelConfig(base=str(make_tiny_base(root / "base")), device="cpu"), root / "models")


@dataclass(frozen=True)
class Place:
    """A home and its settings, and what a test does with them."""

    home: Home
    settings: TrainerSettings

    def store(self) -> Store:
        return Store.open(self.home.db)

    def run(self, *, training: dict[str, Any] | None = None, gate: dict[str, Any] | None = None, **options: Any):
        """One run in this process."""
        settings = self.settings.model_copy(
            update={
                "training": replace(self.settings.training, **(training or {})),
                "gate": replace(self.settings.gate, **(gate or {})),
            }
        )
        return run_once(self.home, settings, progress=Lines(), **options)


# Random weights speak no sense, so replies and general knowledge are not asked for here.
LENIENT = GateConfig(
    samples=2,
    canary_samples=0,
    sample_tokens=6,
    max_unstopped=1.0,
    max_repeating=1.0,
    max_empty=1.0,
    general_tolerance=9,
)
QUICK = TrainingConfig(epochs=3, batch=8, learning_rate=5e-3)


@pytest.fixture
def place(tmp_path, tiny_base) -> Place:
    """A home with 60 imported pairs."""
    home = Home(tmp_path / "home").ensure()
    home.models.rmdir()
    home.models.symlink_to(tiny_base.cache)
    tiny_base.cache.mkdir(exist_ok=True)
    with Store.open(home.db) as store:
        store.import_pairs(new_pairs(60), approved_by="operator")
    memory = MemoryConfig(embedder="none")  # its answers are about nothing, so they fit no question
    return Place(home, TrainerSettings(model=tiny_base.config, memory=memory, training=QUICK, gate=LENIENT))
