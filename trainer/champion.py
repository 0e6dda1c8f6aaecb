"""A published adapter as a run compares with it: what it has seen, and whether it fits a base. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storage.pair_records import Pair
from trainer.snapshot.duplicates import digest

if TYPE_CHECKING:
    from model.base.loading import LoadedBase

__all__ = ["Champion", "mismatch"]


@dataclass(frozen=True)
class Champion:
    """A published adapter to be beaten, or to be compared with."""

    id: str
    path: Path
    created_at: str
    manifest: dict[str, Any]
    seen: frozenset[str] | None = None
    """Digests of the pairs that its run saw; None where nobody knows."""

    def has_seen(self, pair: Pair) -> bool:
        """Whether it learned from a pair; where nobody knows, from all that was approved before it was made."""
        if self.seen is None:
            return pair.approved_at <= self.created_at
        return digest(pair) in self.seen


def mismatch(champion: Champion, base: LoadedBase) -> str | None:
    """Why an adapter does not fit this base; None when it does."""
    theirs, ours = champion.manifest, base
    if (theirs.get("base_model"), theirs.get("base_revision")) != (ours.id, ours.revision):
        return f"was made for {theirs.get('base_model')}"
    if theirs.get("template_hash") != ours.template_hash:
        return "was made for another chat template"
    return None
