"""What can go wrong with runs and adapters, on the disk and in use."""

from __future__ import annotations

from storage.errors import StorageError


class RunNotFound(StorageError):
    """No run has this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"There is no run {run_id}: `nightshift runs` lists all of them.")
        self.run_id = run_id


class AdapterMissing(StorageError):
    """No adapter has this id, in the database or the adapter directory."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"There is no adapter {adapter}: `nightshift adapters` lists all of them.")
        self.adapter = adapter


class AdapterDamaged(StorageError):
    """An adapter's files are not what its manifest says."""

    def __init__(self, adapter: str, problem: str) -> None:
        super().__init__(
            f"Adapter {adapter} is damaged ({problem}): use another with `nightshift adapters use`, "
            "or restore its directory from a backup."
        )
        self.adapter = adapter
        self.problem = problem


class AdapterExists(StorageError):
    """A published adapter is never written again."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"Adapter {adapter} already exists: publish under a new id.")
        self.adapter = adapter


class AdapterRetired(StorageError):
    """A retired adapter was asked to be the champion."""

    def __init__(self, adapter: str) -> None:
        super().__init__(f"Adapter {adapter} is retired (it learned from withdrawn messages): choose another one.")
        self.adapter = adapter


class AdapterUnpublished(StorageError):
    """An adapter could not be published; nothing of it is left behind."""

    def __init__(self, adapter: str, problem: str) -> None:
        super().__init__(f"Adapter {adapter} was not published ({problem}): fix that and train again.")
        self.adapter = adapter
        self.problem = problem


class NothingToRollBack(StorageError):
    """There is no earlier champion."""

    def __init__(self) -> None:
        super().__init__("There is nothing to roll back: the base model is in use and no adapter was used before it.")


class ChampionChanged(StorageError):
    """Somebody else changed the adapter in use meanwhile.

    Attributes:
        champion: the one in use now, None for the bare base.
    """

    def __init__(self, champion: str | None) -> None:
        super().__init__(
            f"The adapter in use has just been changed (now: {champion or 'the base model'}): check it "
            "and choose again."
        )
        self.champion = champion
