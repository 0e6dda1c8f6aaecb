"""What commands may ask of the running bot; bot/app.py does it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import discord

from model.protocol import EngineStats
from storage.audit_records import Act
from storage.pair_records import PairCounts
from storage.run_records import Run
from trainer.result import RunResult

__all__ = ["Operations", "Status", "Train", "train_in_own_process"]


class Train(Protocol):
    """How a training run is started; `trainer.launch.run_training` is one."""

    def __call__(
        self, home: Path, *, force: bool, trigger: str, local_date: str | None, server: int | None = ...
    ) -> Awaitable[RunResult]: ...


async def train_in_own_process(
    home: Path, *, force: bool, trigger: str, local_date: str | None, server: int | None = None
) -> RunResult:
    """Train as `nightshift train` does."""
    from trainer.launch import run_training

    return await run_training(home, force=force, trigger=trigger, local_date=local_date, server=server)


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

    @property
    def training(self) -> bool: ...

    async def status(self, server: int | None = ...) -> Status: ...

    async def train_now(
        self,
        *,
        force: bool = ...,
        trigger: str = ...,
        actor: str = ...,
        guild: discord.Guild | None = ...,
        server: int | None = ...,
    ) -> RunResult: ...

    def cancel_training(self, *, actor: str) -> bool:
        """Stop the current run; False when there is none."""
        ...

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
