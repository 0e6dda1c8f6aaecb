"""What can stop a training run, as sentences a person reads. Knows nothing of how they are shown."""

from __future__ import annotations

__all__ = [
    "AdoptionRefused",
    "ExportRefused",
    "MemoryShort",
    "RunBusy",
    "RunInterrupted",
    "RunStopped",
    "ScheduleInvalid",
    "SettingsInvalid",
    "SnapshotGone",
    "TrainerError",
    "TrainingDiverged",
]


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
        goes_on: it left a checkpoint to go on from; otherwise it is closed as failed.
    """

    def __init__(self, *, goes_on: bool = False) -> None:
        self.goes_on = goes_on
        rest = " and goes on at the next start." if goes_on else "."
        super().__init__(f"The run was stopped before it finished{rest}")


class RunInterrupted(TrainerError):
    """A signal stopped the training between two steps; a checkpoint was written.

    Attributes:
        step: the last step that was made.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        super().__init__(f"The run was stopped at step {step} and goes on from there at the next start.")


class MemoryShort(TrainerError):
    """One pair alone does not fit into memory, even with activations computed again.

    Attributes:
        tokens: of that pair.
    """

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        super().__init__(
            f"Memory ran out in training with a single pair of {tokens} tokens: lower training.max_tokens, "
            f"or choose a smaller base model."
        )


class SnapshotGone(TrainerError):
    """A snapshot cannot be had again.

    Attributes:
        reply_ids: whose words are no longer what they were; empty when the manifest itself does not fit together.
    """

    def __init__(self, reply_ids: tuple[int, ...]) -> None:
        self.reply_ids = reply_ids
        what = (
            f"{len(reply_ids)} of its pairs were withdrawn, edited or set aside since"
            if reply_ids
            else "its manifest was changed"
        )
        super().__init__(f"That snapshot is gone ({what}): take a new one with `nightshift train`.")


class TrainingDiverged(TrainerError):
    """The loss was no number any more."""

    def __init__(self) -> None:
        super().__init__("Training diverged, the loss was not a number: lower training.learning_rate.")


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
