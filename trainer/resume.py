"""Runs that ended without an outcome: which one resumes, and why the others are closed. No torch.

A run that was judged already and had published its adapter is not trained again: its verdict is carried out. Another
run resumes when its training left a checkpoint, its settings are still the same, it is of the same night or less than
a day old, and the store still has every word of its snapshot. Otherwise it is closed as failed with the reason, and
the night starts again. Call this while holding the lock: then nobody else works on an unfinished run.
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

from storage.errors import StorageError
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.origins import LEARNED_BY_DEFAULT
from storage.run_records import Run
from storage.servers import Voice
from storage.store import Store
from trainer.errors import SnapshotGone
from trainer.snapshot.manifest import read_manifest, rebuild
from trainer.snapshot.snapshot import Snapshot
from trainer.training.checkpoint import has_checkpoint
from trainer.verdict import carry_out, remove_without_row, verdict_of

__all__ = [
    "CHECKPOINTS",
    "can_resume",
    "close_unfinished",
    "find_resumable",
    "finish_judged",
    "in_progress",
    "mark_in_progress",
]

CHECKPOINTS = "checkpoints"
"""The folder in a run's directory."""

_IN_PROGRESS = "run_in_progress"
"""In the store's state: the run that a trainer worked on last."""

_MOST_AGE = timedelta(hours=20)
"""Older than this, and the pairs of the day since are worth more than the hours of training."""

log = logging.getLogger(__name__)


def finish_judged(store: Store, home: Home, config: Mapping[str, Any], guild_id: int | None = None) -> Run | None:
    """Carry out the verdict of the newest unfinished run that has one; returns the closed run, or None.

    What it published is put to use or kept only under the settings it was judged with, and if every word that it
    learned from is still there. `guild_id` is the server whose own voice it trains, None: the one voice of all servers.
    """
    adapters = AdapterDirectory(home.adapters)
    for run in store.runs_of_voice(guild_id, limit=50):
        verdict = verdict_of(run) if run.outcome is None else None
        if verdict is None:
            continue
        whole = _publishable(store, home, run, config)
        if verdict.promote and not whole:
            continue
        closed = carry_out(
            store, adapters, run.id, verdict, candidates=run.config["gate"]["candidates"] if whole else 0
        )
        _delete(home.runs / run.id / CHECKPOINTS)
        return closed
    return None


def _publishable(store: Store, home: Home, run: Run, config: Mapping[str, Any]) -> bool:
    """Whether what a run published is whole, made under these settings, and of words that are all still there."""
    try:
        AdapterDirectory(home.adapters).verify(run.id)
    except StorageError:
        return False
    return run.config == json.loads(json.dumps(config)) and isinstance(_snapshot_of(store, home, run), Snapshot)


def can_resume(home: Home, run_id: str) -> bool:
    """Whether a run left a checkpoint to resume from."""
    return has_checkpoint(home.runs / run_id / CHECKPOINTS)


def find_resumable(
    store: Store, home: Home, config: Mapping[str, Any], night: str, guild_id: int | None = None
) -> tuple[Run, Snapshot] | None:
    """The run of a voice to resume and its snapshot, or None; every other unfinished run of it is closed.

    Args:
        store: where runs are.
        home: where their checkpoints are.
        config: what a run that starts now would record of its settings.
        night: the local date a run that starts now would belong to.
        guild_id: the server whose own voice it trains, None: the one voice of all servers.
    """
    chosen: tuple[Run, Snapshot] | None = None
    for run in store.runs_of_voice(guild_id, limit=50):
        if run.outcome is not None:
            continue
        if any(promotion.adapter == run.id for promotion in store.promotions(guild_id)):  # by a version before this one
            reason = "It was promoted; the trainer died before it could say so."
            _close(store, home, run, "promoted", reason, challenger=run.id)
            continue
        found = _resumable(store, home, run, config, night) if chosen is None else "A newer run resumes instead."
        if isinstance(found, Snapshot):
            chosen = (run, found)
        else:
            _close(store, home, run, "failed", found)
    return chosen


def mark_in_progress(store: Store, run: Run) -> None:
    """A trainer works on this run from now on."""
    store.set_state(_IN_PROGRESS, run.id)


def in_progress(store: Store) -> Run | None:
    """The unfinished run that began or resumed last, of whatever voice; a later one may only wait to be resumed."""
    last, unfinished = store.state(_IN_PROGRESS), [run for run in store.runs(limit=50) if run.outcome is None]
    return next((run for run in unfinished if run.id == last), next(iter(unfinished), None))


def close_unfinished(store: Store, home: Home, reason: str) -> None:
    """Close the run that was in progress and all others of its voice, so that none resumes."""
    stopped = in_progress(store)
    for run in store.runs(limit=50):
        if stopped is not None and run.outcome is None and run.guild_id == stopped.guild_id:
            _close(store, home, run, "failed", reason)


def _resumable(store: Store, home: Home, run: Run, config: Mapping[str, Any], night: str) -> Snapshot | str:
    """The snapshot to resume with, or one sentence that says why not."""
    died = f"The trainer died in stage {run.stage!r}"
    if any(adapter.id == run.id for adapter in store.adapters()):
        return f"{died}; its adapter is published but not in use."
    remove_without_row(store, AdapterDirectory(home.adapters), run.id)
    if not can_resume(home, run.id):
        return f"{died}; nothing was published."
    if changed := _changed(run, config, night):
        return f"{died}{changed}; the night starts again."
    snapshot = _snapshot_of(store, home, run)
    return snapshot if isinstance(snapshot, Snapshot) else f"{died}, and {snapshot}; the night starts again."


def _snapshot_of(store: Store, home: Home, run: Run) -> Snapshot | str:
    """What a run learned from, if it is all still there; otherwise what is the matter."""
    manifest = read_manifest(home.runs / run.id)
    try:
        if manifest is not None:
            training = run.config["training"]
            voice = Voice(**run.config["voice"]) if run.config.get("voice") else None
            learn_from = training.get("learn_from", LEARNED_BY_DEFAULT)
            chosen = {"servers": training["servers"], "learn_from": learn_from, "voice": voice}
            return rebuild(manifest, partial(store.eligible_pairs, run.config["consent"], **chosen))
    except SnapshotGone:
        return "words it learned from were withdrawn or changed since"
    return "its list of pairs cannot be read"


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
    remove_without_row(store, AdapterDirectory(home.adapters), run.id)
    store.finish_run(run.id, outcome, reason, **fields)
    _delete(home.runs / run.id / CHECKPOINTS)


def _delete(checkpoints: Path) -> None:
    shutil.rmtree(checkpoints, ignore_errors=True)
