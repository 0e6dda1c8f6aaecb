"""Runs that ended without an outcome: which one goes on where it stopped, and why the others are closed. No torch.

A run is gone on with when its training left a checkpoint, its settings are still the same, it is of the same night or
less than a day old, and the store still has every word of its snapshot. Otherwise it is closed as failed with the
reason, and the night starts anew. To be called by whoever holds the lock: then nobody works on an unfinished run.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from storage.adapters import AdapterDirectory
from storage.home import Home
from storage.records import Run
from storage.store import Store
from trainer.data.provenance import read_manifest, rebuild
from trainer.data.snapshot import Snapshot
from trainer.errors import SnapshotGone
from trainer.learning.checkpoint import has_checkpoint

__all__ = ["CHECKPOINTS", "can_go_on", "close_for_good", "take_up"]

CHECKPOINTS = "checkpoints"
"""The folder in a run's directory."""

_MOST_AGE = timedelta(hours=20)
"""Older than this, and the pairs of the day since are worth more than the hours of training."""

log = logging.getLogger(__name__)


def can_go_on(home: Home, run_id: str) -> bool:
    """Whether a run left anything to go on from."""
    return has_checkpoint(home.runs / run_id / CHECKPOINTS)


def take_up(store: Store, home: Home, config: Mapping[str, Any], night: str) -> tuple[Run, Snapshot] | None:
    """The run to go on with and its snapshot, or None; every other unfinished run is closed.

    Args:
        store: where runs are.
        home: where their checkpoints are.
        config: what a run that starts now would record of its settings.
        night: the local date a run that starts now would belong to.
    """
    chosen: tuple[Run, Snapshot] | None = None
    for run in store.runs(limit=50):
        if run.outcome is not None:
            continue
        if any(promotion.adapter == run.id for promotion in store.promotions()):
            reason = "It was promoted; the trainer died before it could say so."
            _close(store, home, run, "promoted", reason, challenger=run.id)
            continue
        found = _go_on(store, home, run, config, night) if chosen is None else "A newer run goes on instead."
        if isinstance(found, Snapshot):
            chosen = (run, found)
        else:
            _close(store, home, run, "failed", found)
    return chosen


def close_for_good(store: Store, home: Home, reason: str) -> None:
    """Close whatever is unfinished: somebody does not want it to go on."""
    for run in store.runs(limit=50):
        if run.outcome is None:
            _close(store, home, run, "failed", reason)


def _go_on(store: Store, home: Home, run: Run, config: Mapping[str, Any], night: str) -> Snapshot | str:
    """The snapshot to go on with, or why not in one sentence."""
    died = f"The trainer died in stage {run.stage!r}"
    if any(adapter.id == run.id for adapter in store.adapters()):
        return f"{died}; its adapter is published but not in use."
    adapters = AdapterDirectory(home.adapters)
    if run.id in adapters.ids():  # its row would have come next
        adapters.prune(keep=set(adapters.ids()) - {run.id})
    if not can_go_on(home, run.id):
        return f"{died}; nothing was published."
    if changed := _changed(run, config, night):
        return f"{died}{changed}; the night starts anew."
    manifest = read_manifest(home.runs / run.id)
    try:
        if manifest is not None:
            servers = run.config["training"]["servers"]
            return rebuild(manifest, partial(store.eligible_pairs, run.config["consent"], servers=servers))
    except SnapshotGone:
        return f"{died}, and words it learned from were withdrawn or changed since; the night starts anew."
    return f"{died}, and its list of pairs cannot be read; the night starts anew."


def _changed(run: Run, config: Mapping[str, Any], night: str) -> str | None:
    """What has changed since the run that matters more than the hours it took."""
    if run.config != json.loads(json.dumps(config)):
        return ", and the settings were changed since"
    age = abs(datetime.now(UTC) - datetime.fromisoformat(run.started_at))  # begun in the future: the clock was ahead
    if run.local_date != night and age > _MOST_AGE:
        return " too long ago"
    return None


def _close(store: Store, home: Home, run: Run, outcome: Any, reason: str, **fields: Any) -> None:
    log.info("Run %s is closed: %s", run.id, reason)
    store.finish_run(run.id, outcome, reason, **fields)
    _forget(home.runs / run.id / CHECKPOINTS)


def _forget(checkpoints: Path) -> None:
    shutil.rmtree(checkpoints, ignore_errors=True)
