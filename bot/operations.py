"""What commands may ask of the running bot: the side of bot/app.py that Discord sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import discord

from model.protocol import EngineStats, SwapReport
from storage.records import PairCounts, Run
from trainer.result import RunResult

__all__ = ["Operations", "Status"]


@dataclass(frozen=True)
class Status:
    """What the bot is doing at this moment."""

    engine: EngineStats
    pairs: PairCounts
    last_run: Run | None
    next_run: datetime | None
    training: bool


class Operations(Protocol):
    """Everything here concerns all servers: one engine, one adapter, one training run at a time."""

    @property
    def training(self) -> bool: ...

    async def status(self) -> Status: ...

    async def train_now(
        self, *, force: bool = ..., trigger: str = ..., actor: str = ..., guild: discord.Guild | None = ...
    ) -> RunResult: ...

    def cancel_training(self, *, actor: str) -> bool:
        """Stop the run that is going on; False when there is none."""
        ...

    async def use(self, adapter: str | None, *, actor: str, reason: str) -> None:
        """Make an adapter (None: the base model) champion. Raises AdapterMissing, AdapterRetired, AdapterDamaged."""
        ...

    async def rollback(self, *, actor: str, reason: str) -> str | None: ...

    async def sync_adapter(self) -> SwapReport | None: ...
