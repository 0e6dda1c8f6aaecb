"""What commands may ask of the running bot; bot/app.py does it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.training.runs import TrainingRuns
from model.protocol import EngineStats
from storage.audit_records import Act
from storage.pair_records import PairCounts
from storage.run_records import Run

__all__ = ["Operations", "Status"]


@dataclass(frozen=True)
class Status:
    """What the bot is doing at this moment: for all servers, or what concerns one with a voice of its own."""

    engine: EngineStats
    pairs: PairCounts
    last_run: Run | None
    next_run: datetime | None
    training: bool


class Operations(Protocol):
    """One engine, and one training run at a time. `server`: one whose own voice is meant; None: that of all servers."""

    runs: TrainingRuns

    async def status(self, server: int | None = ...) -> Status: ...

    async def use(
        self, adapter: str | None, *, actor: str, reason: str, act: Act | None = ..., server: int | None = ...
    ) -> None:
        """Answer with an adapter (None: the base model) from now on, if it loads; `act` is written in the audit."""
        ...

    async def rollback(
        self,
        *,
        actor: str,
        reason: str,
        act: Callable[[str | None], Act] | None = ...,
        server: int | None = ...,
    ) -> str | None: ...

    async def remove_files(self, names: Collection[str]) -> None:
        """Delete the files of these adapters and runs, of a server that is gone."""
        ...

    async def look(self) -> None:
        """Check what another process changed: the champion, and training."""
        ...
