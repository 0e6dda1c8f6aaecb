"""The manifest of a snapshot: which replies a run saw and how they were chosen, beside its log and kept after the run.

It holds numbers and hashes, never a word of what was said. It says whether anything is new since, and gives back the
same snapshot as long as the store still has its words. Which adapters saw words that were withdrawn later is the
store's to say (storage/lineage.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.data_settings import SnapshotConfig
from trainer.errors import SnapshotGone
from trainer.snapshot.duplicates import digest
from trainer.snapshot.snapshot import PairSource, Snapshot, of_pairs

__all__ = ["Manifest", "manifest_of", "provenance_of", "read_manifest", "rebuild", "write_manifest"]

_FILE = "snapshot.json"


@dataclass(frozen=True)
class Manifest:
    """A snapshot by name: `pairs` is the digest of the words by reply number, `left_out` counts by reason."""

    hash: str
    taken_at: str
    consent: str
    holdout_share: float
    rules: dict[str, Any]
    pairs: dict[int, str]
    holdout: tuple[int, ...]
    left_out: dict[str, int]
    learn_from: tuple[str, ...] = ()


def manifest_of(
    snapshot: Snapshot,
    *,
    taken_at: str,
    consent: str,
    holdout_share: float,
    rules: SnapshotConfig,
    learn_from: Sequence[str] = (),
) -> Manifest:
    """Describe a snapshot that was taken at a time (UTC) under a consent rule, from words of these origins."""
    return Manifest(
        hash=snapshot.hash,
        taken_at=taken_at,
        consent=consent,
        holdout_share=holdout_share,
        rules=asdict(rules),
        pairs={pair.reply_id: digest(pair) for pair in (*snapshot.train, *snapshot.holdout)},
        holdout=tuple(pair.reply_id for pair in snapshot.holdout),
        left_out=dict(snapshot.left_out),
        learn_from=tuple(learn_from),
    )


def write_manifest(run_directory: Path, manifest: Manifest) -> None:
    """Keep the manifest in the run's directory."""
    (run_directory / _FILE).write_text(json.dumps(asdict(manifest)) + "\n", encoding="utf-8")


def read_manifest(run_directory: Path) -> Manifest | None:
    """The manifest of a run; None when the file is gone or unreadable."""
    try:
        values = json.loads((run_directory / _FILE).read_text(encoding="utf-8"))
        values["pairs"] = {int(reply_id): str(value) for reply_id, value in values["pairs"].items()}
        values["holdout"] = tuple(values["holdout"])
        values["learn_from"] = tuple(values.get("learn_from", ()))
        return Manifest(**values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def provenance_of(run_directory: Path) -> dict[int, str] | None:
    """Digest by reply number of what a run saw, whichever version wrote it; None when the file cannot be read."""
    try:
        pairs: Mapping[str, Any] = json.loads((run_directory / _FILE).read_text(encoding="utf-8"))["pairs"]
        return {int(reply_id): str(value) for reply_id, value in pairs.items()}
    except (OSError, ValueError, KeyError, AttributeError):
        return None


def rebuild(manifest: Manifest, source: PairSource) -> Snapshot:
    """The same snapshot again, word for word.

    Args:
        manifest: of the run.
        source: the eligible pairs of the store, under the manifest's consent rule.

    Raises:
        SnapshotGone: words of it were withdrawn, edited, redacted or quarantined since. The run that saw
            them cannot be repeated; take a new snapshot.
    """
    found = list(source(sorted(manifest.pairs)))
    same = [pair for pair in found if digest(pair) == manifest.pairs.get(pair.reply_id)]
    if len(same) < len(manifest.pairs):
        present = {pair.reply_id for pair in same}
        raise SnapshotGone(tuple(sorted(set(manifest.pairs) - present)))
    snapshot = of_pairs(same, manifest.holdout_share, manifest.left_out)
    if snapshot.hash != manifest.hash:
        raise SnapshotGone(())
    return snapshot
