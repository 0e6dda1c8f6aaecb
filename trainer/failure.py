"""How a run that failed is closed, and why it failed: the error as a reason that people read. No torch."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from model.errors import ModelError
from storage.errors import StorageError
from storage.faults import as_storage_error
from storage.files.adapter_directory import AdapterDirectory
from storage.files.home import Home
from storage.store import Store
from trainer.errors import MemoryShort, OutOfSpace, RunStopped, TooFewFit, TrainerError, TrainingDiverged, is_disk_full
from trainer.reasons import Reason, in_english, stored
from trainer.result import RunResult
from trainer.resume import can_resume
from trainer.verdict import remove_without_row

__all__ = ["close_failed", "failure_of"]


def close_failed(error: BaseException, home: Home, store: Store, run_id: str) -> RunResult:
    """Close a run that failed, unless it resumes at the next start: it was stopped, or the disk is full."""
    resumes = can_resume(home, run_id)
    if isinstance(error, KeyboardInterrupt | SystemExit) and resumes:
        return RunResult(run_id, "failed", str(RunStopped(resumes=True)))
    if is_disk_full(error):
        reason = str(OutOfSpace(home.root, resumes=resumes))
        if not resumes:
            with suppress(StorageError, OSError):  # there may be no room for this either; the next start closes it
                remove_without_row(store, AdapterDirectory(home.adapters), run_id)
                store.finish_run(run_id, "failed", reason, why=stored([Reason("failed.disk")]))
        return RunResult(run_id, "failed", reason)
    why = failure_of(error, store.run(run_id).stage, home.runs / run_id / "log")
    reason = str(error) if isinstance(error, TooFewFit) else in_english(why)  # which also says what to set
    with suppress(OSError):
        remove_without_row(store, AdapterDirectory(home.adapters), run_id)
    store.finish_run(run_id, "failed", reason, why=stored([why]))
    return RunResult(run_id, "failed", reason)


def failure_of(error: BaseException, stage: str, log_file: Path) -> Reason:
    """Why a run failed; what nobody foresaw is named and left to the log."""
    if isinstance(error, TrainerError | StorageError | ModelError):
        return _known(error)
    if (known := as_storage_error(error)) is not None:
        return Reason("failed", {"text": f"{known} The run stopped in stage {stage!r}."})
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return Reason("failed.stopped")
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower() or "can't allocate" in str(error):
        return Reason("failed.memory", {"stage": stage})
    return Reason("failed.unexpected", {"stage": stage, "error": type(error).__name__, "log": str(log_file)})


def _known(error: TrainerError | StorageError | ModelError) -> Reason:
    """An error that has a sentence of its own, in the reader's language where there is one."""
    if isinstance(error, MemoryShort):
        return Reason("failed.pair", {"tokens": error.tokens})
    if isinstance(error, TrainingDiverged):
        return Reason("failed.diverged")
    if isinstance(error, TooFewFit):
        return Reason("failed.fit", {"fit": error.fit, "count": error.count, "limit": error.max_tokens})
    return Reason("failed", {"text": str(error)})
