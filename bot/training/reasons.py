"""Why a training run ended as it did, in the reader's language."""

from __future__ import annotations

from bot.i18n.en import reasons as words
from bot.i18n.language import language
from storage.adapter_errors import RunNotFound
from storage.async_store import AsyncStore
from storage.run_records import Run
from storage.store import Store
from trainer.reasons import read_reasons, worded
from trainer.result import RunResult

__all__ = ["reason_of_result", "reason_of_run", "row_of"]


def reason_of_run(run: Run) -> str:
    """The reason, from its codes; in English, or where an older version ended the run, the sentence as stored."""
    found = read_reasons(run.why)
    if language() == "en" or not found or any(one.code not in words.WORDS for one in found):
        return run.reason or ""
    return " ".join(worded(one, words.WORDS, decimal=words.DECIMAL) for one in found)


async def row_of(store: AsyncStore, result: RunResult) -> Run | None:
    """The run's row, which has the reason as a code; None where the run was not recorded."""
    try:
        return await store.call(Store.run, result.run) if result.run is not None else None
    except RunNotFound:
        return None


def reason_of_result(result: RunResult, run: Run | None) -> str:
    """The same for a run that has just ended; one without a row, or that is still open, has its sentence alone."""
    return reason_of_run(run) if run is not None and run.outcome is not None else result.reason
