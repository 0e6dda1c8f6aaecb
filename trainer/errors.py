"""What can stop a training run, as sentences a person reads. Knows nothing of how they are shown."""

from __future__ import annotations

import errno
from pathlib import Path

from storage.errors import DiskFull

__all__ = [
    "AdoptionRefused",
    "ExportRefused",
    "MemoryShort",
    "OutOfSpace",
    "RunBusy",
    "RunInterrupted",
    "RunStopped",
    "ScheduleInvalid",
    "SettingsInvalid",
    "SnapshotGone",
    "TooFewFit",
    "TrainerError",
    "TrainingDiverged",
    "is_disk_full",
]

_FULL_IN_WORDS = ("No space left on device", "os error 28", "PytorchStreamWriter failed", "inline_container.cc")
"""How safetensors and torch say that a file could not be written to its end."""


class TrainerError(Exception):
    """Base class: `str(error)` is one sentence that says what is wrong and what to do."""


class SettingsInvalid(TrainerError):
    """The settings file or the environment holds something that cannot be used."""


class ScheduleInvalid(TrainerError):
    """The cron expression or the time zone cannot be understood."""


class RunBusy(TrainerError):
    """Another training run holds the lock.

    Attributes:
        holder: process id of the run that is alive, when it could be read.
    """

    def __init__(self, holder: int | None) -> None:
        self.holder = holder
        who = f" (process {holder})" if holder else ""
        super().__init__(f"Another training run is in progress{who}; wait for it to end.")


class RunStopped(TrainerError):
    """Somebody asked the run to stop (a signal); nothing is published.

    Attributes:
        resumes: it left a checkpoint to resume from; otherwise it is closed as failed.
    """

    def __init__(self, *, resumes: bool = False) -> None:
        self.resumes = resumes
        rest = " and will resume at the next start." if resumes else "."
        super().__init__(f"The run was stopped before it finished{rest}")


class RunInterrupted(TrainerError):
    """A signal stopped the training between two steps; a checkpoint was written.

    Attributes:
        step: the last step that was made.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"The run was stopped at step {step} and will resume from there at the next start.")


class MemoryShort(TrainerError):
    """One pair alone does not fit into memory, even with activations computed again.

    Attributes:
        tokens: of that pair.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        super().__init__(
            f"Training ran out of memory on a single pair of {tokens} tokens: lower training.max_tokens, "
            f"or choose a smaller base model."
        )


class OutOfSpace(TrainerError):
    """The disk is full.

    Attributes:
        resumes: the run left a checkpoint to go on from; otherwise it is closed as failed.
    """

    def __init__(self, home: Path, *, resumes: bool) -> None:
        self.resumes = resumes
        rest = "the run will resume at the next start" if resumes else "train again"
        super().__init__(f"The disk of {home} is full: free some space, and {rest}.")


class TooFewFit(TrainerError):
    """Too few pairs of a group that a run cannot do without are short enough.

    Attributes:
        fit: how many are.
        count: of how many.
        max_tokens: the limit.
    """

    def __init__(self, what: str, fit: int, count: int, *, max_tokens: int, needed: int, remedy: str) -> None:
        self.fit, self.count, self.max_tokens = fit, count, max_tokens
        how_many = f"Only {fit} of {count}" if fit else "None of the" if count != 1 else "Not even the one"
        pairs = f"{how_many} {'' if fit or count == 1 else f'{count} '}{what}"
        super().__init__(
            f"{pairs} {'fit' if fit > 1 else 'fits'} into {max_tokens} tokens (training.max_tokens), and a run needs "
            f"{needed}: {remedy}."
        )


class SnapshotGone(TrainerError):
    """A snapshot cannot be had again.

    Attributes:
        reply_ids: whose words are no longer what they were; empty when the manifest itself does not fit together.
    """

    def __init__(self, reply_ids: tuple[int, ...]) -> None:
        self.reply_ids = reply_ids
        what = (
            f"{len(reply_ids)} of its pairs were withdrawn, edited or quarantined"
            if reply_ids
            else "its manifest has changed"
        )
        super().__init__(f"That snapshot can no longer be used ({what}): take a new one with `nightshift train`.")


class TrainingDiverged(TrainerError):
    """The loss was no longer a number."""

    def __init__(self) -> None:
        super().__init__("Training diverged (the loss is not a number): lower training.learning_rate.")


class AdoptionRefused(TrainerError):
    """An adapter from elsewhere cannot be taken in; nothing was changed."""

    def __init__(self, source: str, why: str) -> None:
        super().__init__(f"{source} cannot be adopted: {why}.")
        self.source, self.why = source, why


class ExportRefused(TrainerError):
    """An adapter cannot be written in the form that was asked for; nothing was written."""

    def __init__(self, adapter: str, why: str) -> None:
        super().__init__(f"Adapter {adapter} cannot be exported: {why}.")
        self.adapter, self.why = adapter, why


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, is that the disk (or the user's share of it) is full."""
    while error is not None:
        if isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)):
            return True
        if any(words in str(error) for words in _FULL_IN_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
