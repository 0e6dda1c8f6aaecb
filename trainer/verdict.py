"""What the gate said of a run, as its row keeps it, and how that is carried out: by the run, or by the next start.

What a run published has a row in the end, or is removed: forgetting could never retire files that no row names. No
torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from storage.files.adapter_directory import AdapterDirectory
from storage.run_records import Adapter, Run
from storage.store import Store
from trainer.reasons import Reason, in_english, stored

__all__ = ["VERDICT", "Verdict", "carry_out", "remove_without_row", "row_of", "verdict_of"]

VERDICT = "verdict"
"""The name of a run's verdict in its details."""

_CANDIDATE = Reason("candidate.kept")


@dataclass(frozen=True)
class Verdict:
    """What the gate said of a run, kept before anything follows from it.

    Attributes:
        promote: whether the challenger is to be put to use.
        reason: why, or why not.
        champion: the adapter in use when the run began, None for the bare base.
        pairs: held-out pairs that it was judged by.
        why: the reason as codes with values.
        only_unsure: nothing but a lack of certainty keeps the challenger out.
    """

    promote: bool
    reason: str
    champion: str | None
    pairs: int
    why: list[dict[str, Any]] = field(default_factory=list)
    only_unsure: bool = False


def verdict_of(run: Run) -> Verdict | None:
    """The verdict in a run's details, if it was judged."""
    try:
        return Verdict(**run.details[VERDICT])
    except (KeyError, TypeError):
        return None


def carry_out(store: Store, adapters: AdapterDirectory, run_id: str, verdict: Verdict, *, candidates: int) -> Run:
    """Close a run as its verdict says; what it published is put to use, stays a candidate, or is removed.

    Args:
        store: where the run is.
        adapters: where its adapter was published: a promoted one always, a candidate if it may be one.
        run_id: the run.
        verdict: of the gate.
        candidates: most candidates there may be; 0: what only lacks certainty is not kept.
    """
    if verdict.promote:
        adapter, why = row_of(adapters, run_id), verdict.why
        return store.conclude_run(run_id, adapter, expected=verdict.champion, reason=verdict.reason, why=why)
    if verdict.only_unsure and candidates and run_id in adapters.ids():
        reason = f"{verdict.reason} {in_english(_CANDIDATE)}"
        why = [*verdict.why, *stored([_CANDIDATE])]
        dropped = store.keep_candidate(run_id, row_of(adapters, run_id), most=candidates, reason=reason, why=why)
        adapters.remove(dropped)
    else:
        remove_without_row(store, adapters, run_id)
        store.finish_run(run_id, "kept", verdict.reason, why=verdict.why)
    return store.run(run_id)


def row_of(adapters: AdapterDirectory, adapter_id: str) -> Adapter:
    """The row of an adapter that a run published under its own id. Raises AdapterMissing, AdapterDamaged."""
    manifest = adapters.manifest(adapter_id)
    return Adapter(adapter_id, adapter_id, manifest["base_model"], manifest["created_at"], manifest)


def remove_without_row(store: Store, adapters: AdapterDirectory, run_id: str) -> None:
    """Remove the files of a run's adapter if its row was never written."""
    if run_id not in {adapter.id for adapter in store.adapters()}:
        adapters.remove([run_id])
