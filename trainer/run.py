"""One training run from lock to verdict: snapshot, train, evaluate, gate, publish, promote.

Each stage is recorded as it begins. Whatever goes wrong, the run ends as `failed` with a reason a person can read, and
nothing half published: an adapter appears in one rename, its row comes after, its promotion last.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.pair_records import Choice, Pair
from storage.servers import Voice
from storage.store import Store
from trainer.champion import Champion
from trainer.champions import anchor_of, champion_of, published
from trainer.conclusion import conclude
from trainer.errors import RunInterrupted
from trainer.evaluation.gate import decide
from trainer.failure import close_failed
from trainer.heartbeat import heartbeat
from trainer.lock import run_lock
from trainer.progress import Progress
from trainer.result import RunResult, result_of
from trainer.resume import CHECKPOINTS, find_resumable, finish_judged, mark_in_progress
from trainer.run_record import RunRecord
from trainer.run_snapshot import screen_pairs, take_snapshot
from trainer.schedule import local_date as date_in_zone
from trainer.settings import TrainerSettings
from trainer.snapshot.holdout import validation_split
from trainer.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from model.base.loading import LoadedBase
    from trainer.candidates import Contender
    from trainer.train_and_measure import TrainingOutcome

__all__ = ["run_once"]

log = logging.getLogger(__name__)


def run_once(
    home: Home,
    settings: TrainerSettings,
    *,
    progress: Progress,
    force: bool = False,
    trigger: str = "manual",
    local_date: str | None = None,
    voice: Voice | None = None,
) -> RunResult:
    """Make one run in this process. A failure is in the result, not an exception.

    It trains a server's own `voice`, or (None) the one voice of all servers.

    Raises:
        RunBusy: another run is alive; nothing was recorded.
        ScheduleInvalid, StorageError: nothing could be begun.
    """
    night = local_date or date_in_zone(datetime.now(UTC), settings.schedule)
    config, server = _config(settings, voice), voice.guild_id if voice else None
    with run_lock(home.runs / "lock") as beat, heartbeat(beat), Store.open(home.db) as store:
        AdapterDirectory(home.adapters).sweep()
        if (judged := finish_judged(store, home, config, server)) is not None:
            progress.say(f"Run {judged.id} had been judged already; its verdict is carried out: {judged.reason}")
            if trigger != "schedule" or judged.local_date == night:
                return result_of(judged)
        unfinished = find_resumable(store, home, config, night, server)
        if unfinished is not None:
            run, snapshot = unfinished
            store.update_run(run.id, pid=os.getpid())
            progress.say(f"Resuming run {run.id} of {run.local_date}, which was stopped in stage {run.stage!r}")
        else:
            run, snapshot = store.start_run(trigger, night, os.getpid(), config, guild_id=server), None
        mark_in_progress(store, run)
        directory = home.runs / run.id
        directory.mkdir(exist_ok=True)
        with _logged_to(directory / "log"):
            try:
                record = RunRecord(home, settings, store, run, progress, voice=voice)
                return _execute(record, force=force, snapshot=snapshot)
            except RunInterrupted as stopped:
                return RunResult(run.id, "failed", str(stopped))  # its row stays open for the next start
            except BaseException as error:
                log.exception("Run %s failed", run.id)
                result = close_failed(error, home, store, run.id)
                if isinstance(error, Exception | KeyboardInterrupt) or store.run(run.id).outcome is None:
                    return result
                raise
            finally:
                shutil.rmtree(directory / "scratch", ignore_errors=True)
                if store.run(run.id).outcome is not None:
                    shutil.rmtree(directory / CHECKPOINTS, ignore_errors=True)


def _execute(record: RunRecord, *, force: bool, snapshot: Snapshot | None = None) -> RunResult:
    """All stages, or what is left of a run that was stopped and whose snapshot is given."""
    from trainer.challenger import open_base

    if snapshot is None:
        taken = take_snapshot(record, force=force)
        if isinstance(taken, RunResult):
            return taken
        base = open_base(record.settings, record.home.models)
        screened = screen_pairs(record, taken, base, force=force)
        if isinstance(screened, RunResult):
            return screened
        snapshot = screened
    else:
        base = open_base(record.settings, record.home.models)
    in_use = record.store.champion(record.run.guild_id)
    trained = _train_and_measure(record, snapshot, champion_of(record, in_use), base)
    record.stage("gate")
    decision = decide(trained.evidence, record.settings.gate)
    return conclude(record, snapshot, trained, decision, in_use)


def _train_and_measure(
    record: RunRecord, snapshot: Snapshot, champion: Champion | None, base: LoadedBase
) -> TrainingOutcome:
    from trainer.challenger import RunCallbacks
    from trainer.train_and_measure import Rivals, train_and_measure

    callbacks = RunCallbacks(record.stage, record.progress.say, record.step)
    return train_and_measure(
        record.settings,
        snapshot,
        Rivals(champion, anchor_of(record, champion), _contenders(record)),
        _choices(record, snapshot),
        base=base,
        cache_dir=record.home.models,
        scratch=record.directory / "scratch",
        checkpoints=record.directory / CHECKPOINTS,
        callbacks=callbacks,
        examples=_examples(record, snapshot),
    )


def _contenders(record: RunRecord) -> Sequence[Contender]:
    from trainer.candidates import contenders_of

    if not record.settings.gate.candidates:
        return ()
    return contenders_of(record.store, partial(published, record), record.run.guild_id)


def _examples(record: RunRecord, snapshot: Snapshot) -> dict[int, tuple[Pair, ...]]:
    """What some of the prompts show while they are learned; no pair that validates is shown."""
    from trainer.training.recipe import validation_size
    from trainer.training.shown_examples import examples_for

    share = record.settings.training.example_share
    if not share or not record.settings.memory.examples:
        return {}
    learn, _ = validation_split(snapshot.train, validation_size(len(snapshot.train)))
    numbers = [pair.reply_id for pair in learn]
    recalled = record.store.recalled_examples(numbers)
    return examples_for(learn, record.store.vectors_of_replies(numbers), recalled, share)


def _choices(record: RunRecord, snapshot: Snapshot) -> list[Choice]:
    """Which answers people preferred on the prompts of the snapshot's pairs."""
    reply_ids = (pair.reply_id for pair in (*snapshot.train, *snapshot.holdout))
    return list(record.store.choices(reply_ids, record.settings.consent, **record.choice))


def _config(settings: TrainerSettings, voice: Voice | None) -> dict[str, Any]:
    """What the run's row keeps of the settings."""
    return {
        "base": settings.model.base,
        "consent": settings.consent,
        "persona": settings.persona,
        "training": asdict(settings.training),
        "snapshot": asdict(settings.snapshot),
        "quarantine": asdict(settings.quarantine),
        "gate": asdict(settings.gate),
        **({"voice": asdict(voice)} if voice else {}),
    }


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Everything that is logged during the run goes to its own file too."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
