"""The row of one run while it goes on: its stages and figures, and what an earlier run saw. Knows no model."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from storage.errors import DatabaseBusy
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.reply_records import Origin
from storage.run_records import Run
from storage.servers import Voice
from storage.store import Store
from trainer.progress import Progress
from trainer.reasons import Reason, stored
from trainer.result import RunResult
from trainer.settings import TrainerSettings
from trainer.snapshot.manifest import provenance_of

__all__ = ["TRAINED", "RunRecord", "digests"]

log = logging.getLogger(__name__)

TRAINED = ("promoted", "kept")
"""Outcomes of runs that went all the way."""


class PairChoice(TypedDict):
    """Arguments of the store's questions about pairs."""

    servers: Sequence[int]
    learn_from: Collection[Origin]
    voice: Voice | None


class RunRecord:
    """One run's home, settings, store, row and progress, and what is written of it.

    `voice` is the server's own voice that it trains; None: the one voice of all servers.
    """

    def __init__(
        self,
        home: Home,
        settings: TrainerSettings,
        store: Store,
        run: Run,
        progress: Progress,
        *,
        voice: Voice | None = None,
    ) -> None:
        self.home, self.settings, self.store, self.run, self.progress = home, settings, store, run, progress
        self.voice = voice
        self.adapters = AdapterDirectory(home.adapters)

    @property
    def directory(self) -> Path:
        """The run's own folder."""
        return self.home.runs / self.run.id

    @property
    def details(self) -> dict[str, Any]:
        """What the row holds besides its columns, as it is now."""
        return dict(self.store.run(self.run.id).details)

    @property
    def choice(self) -> PairChoice:
        """By what the store chooses the pairs that this run may learn from."""
        training = self.settings.training
        return {"servers": training.servers, "learn_from": training.learn_from, "voice": self.voice}

    def update(self, **changes: Any) -> None:
        """Change columns of the row."""
        self.store.update_run(self.run.id, **changes)

    def stage(self, name: str) -> None:
        """A stage begins."""
        log.info("Stage %s", name)
        self.update(stage=name)

    def step(self, step: int, total: int, figures: dict[str, float]) -> None:
        """Keep a training step's figures. A busy database costs a point on the curve, never the night."""
        try:
            self.store.log_metrics(self.run.id, step, figures)
        except DatabaseBusy:
            log.warning("The figures of step %d could not be kept", step)
        self.progress.step(step, total, ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))

    def skip(self, reason: str, why: tuple[Reason, ...]) -> RunResult:
        """Close the run, which has nothing to learn from."""
        self.store.finish_run(self.run.id, "skipped", reason, why=stored(why))
        return RunResult(self.run.id, "skipped", reason)

    def former(self) -> dict[int, str] | None:
        """Digest by reply number of what the last completed run of this voice on this base saw."""
        for run in self.store.runs_of_voice(self.run.guild_id, limit=200):
            if run.outcome in TRAINED:
                seen = provenance_of(self.home.runs / run.id)
                return seen if run.config.get("base") == self.run.config["base"] else None
        return None


def digests(seen: Mapping[int, str] | None) -> frozenset[str] | None:
    """What a run saw, without the numbers of the replies."""
    return None if seen is None else frozenset(seen.values())
