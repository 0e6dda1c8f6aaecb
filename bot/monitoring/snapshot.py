"""What a bot is at one moment, as a monitor sees it, and the metrics that say so. Pure but for the library's types."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from math import isfinite
from typing import TYPE_CHECKING

from model.protocol import EngineStats
from storage.async_store import AsyncStore
from storage.run_records import Figures
from storage.store import Store

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

__all__ = ["RecentFigures", "Snapshot", "families"]

_FRESH_S = 60.0


@dataclass(frozen=True)
class Snapshot:
    """One moment.

    Attributes:
        engine: what the engine is doing.
        figures: of the store; some seconds old.
        connected: whether Discord is connected.
        latency_s: from a heartbeat of the gateway to its answer; not finite where none was answered yet.
        servers: that the bot is on.
        training: whether a run is in progress.
        next_run: when the schedule starts the next.
    """

    engine: EngineStats
    figures: Figures
    connected: bool
    latency_s: float
    servers: int
    training: bool
    next_run: datetime | None


class RecentFigures:
    """The figures of the store, read again when they are a minute old: monitors ask every few seconds."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store
        self._read_at = 0.0
        self._figures: Figures | None = None

    async def get(self) -> Figures:
        """Raises StorageError."""
        now = time.monotonic()
        if self._figures is None or now - self._read_at >= _FRESH_S:
            self._figures, self._read_at = await self._store.read(Store.figures), now
        return self._figures


def families(now: Snapshot) -> Iterator[Metric]:
    """Every metric of a moment, with its samples."""
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    for name, (text, value) in _numbers(now).items():
        if value is not None:
            yield GaugeMetricFamily(f"nightshift_{name}", text, value=value)
    for name, (text, labels, samples) in _labelled(now).items():
        family = GaugeMetricFamily(f"nightshift_{name}", text, labels=labels)
        for values, number in samples.items():
            family.add_metric(values, number)
        yield family
    about = {
        "version": metadata.version("nightshift-discord"),
        "base_model": now.engine.base_model,
        "adapter": now.engine.adapter or "",
        "device": now.engine.device,
    }
    yield InfoMetricFamily("nightshift", "What runs.", value=about)


def _numbers(now: Snapshot) -> dict[str, tuple[str, float | None]]:
    """Name -> its text and its value; None where there is none."""
    engine, figures = now.engine, now.figures
    ended = datetime.fromisoformat(figures.last_run_ended_at).timestamp() if figures.last_run_ended_at else None
    return {
        "engine_up": ("1 while the engine can answer, 0 after it failed.", not engine.failure),
        "engine_asleep": ("1 while the engine has given its memory to a training run.", engine.asleep),
        "engine_rows": ("Replies that can be made at once.", engine.slots),
        "engine_active": ("Replies that are being made.", engine.active),
        "engine_queued": ("Requests that wait.", engine.queued),
        "engine_tokens_per_second": ("Tokens that all replies together gained lately.", engine.tokens_per_second),
        "engine_memory_bytes": ("Memory of the model and its caches.", engine.memory_bytes),
        "discord_connected": ("1 while the gateway is connected.", now.connected),
        "discord_latency_seconds": (
            "From a heartbeat of the gateway to its answer.",
            now.latency_s if isfinite(now.latency_s) else None,
        ),
        "discord_servers": ("Servers that the bot is on.", now.servers),
        "training": ("1 while a training run is in progress.", now.training),
        "last_run_timestamp_seconds": ("When the last training run ended.", ended),
        "next_run_timestamp_seconds": (
            "When the schedule starts the next run.",
            now.next_run.timestamp() if now.next_run else None,
        ),
        "replies_waiting": ("Stored replies without a verdict.", figures.waiting),
    }


def _labelled(now: Snapshot) -> dict[str, tuple[str, list[str], dict[tuple[str, ...], float]]]:
    """Name -> its text, its labels, and a value for each of their values."""
    figures = now.figures
    return {
        "adapter_active": (
            "Replies that each adapter in memory is making.",
            ["adapter"],
            {(name,): count for name, count in now.engine.adapters.items()},
        ),
        "replies_reviewed": (
            "Stored replies by their verdict: approve, edit, reject.",
            ["verdict"],
            {(name,): figures.verdicts.get(name, 0) for name in ("approve", "edit", "reject")},
        ),
        "runs": (
            "Training runs by outcome and by what started them.",
            ["trigger", "outcome"],
            dict(figures.runs.items()),
        ),
        "promotions": (
            "Changes of the adapter in use by kind: gate, use, rollback.",
            ["kind"],
            {(name,): figures.promotions.get(name, 0) for name in ("gate", "use", "rollback")},
        ),
        "edit_distance": (
            "Mean share of the text that was changed in approved replies, of the newest adapters.",
            ["adapter"],
            {(one.name or "base",): one.share for one in figures.edits},
        ),
        "approved_replies": (
            "Approved replies that the edit distance is the mean of.",
            ["adapter"],
            {(one.name or "base",): one.approved for one in figures.edits},
        ),
    }
