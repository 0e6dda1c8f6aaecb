"""Which replies a run learned from: a file of numbers and hashes beside its log, kept after the run.

It answers, without keeping a word of what was said, whether anything is new since. Which adapters saw words that were
withdrawn later is the store's to say (storage/lineage.py).
"""

from __future__ import annotations

import json
from pathlib import Path

from trainer.snapshot import Snapshot, digest

__all__ = ["provenance_of", "write_provenance"]

_FILE = "snapshot.json"


def write_provenance(run_directory: Path, snapshot: Snapshot) -> None:
    """Keep the reply numbers and content digests of a run's pairs."""
    pairs = {str(pair.reply_id): digest(pair) for pair in (*snapshot.train, *snapshot.holdout)}
    text = json.dumps({"hash": snapshot.hash, "holdout": [pair.reply_id for pair in snapshot.holdout], "pairs": pairs})
    (run_directory / _FILE).write_text(text + "\n", encoding="utf-8")


def provenance_of(run_directory: Path) -> dict[int, str] | None:
    """Digest by reply number of what a run saw; None when the file is gone or unreadable."""
    try:
        pairs = json.loads((run_directory / _FILE).read_text(encoding="utf-8"))["pairs"]
        return {int(reply_id): str(value) for reply_id, value in pairs.items()}
    except (OSError, ValueError, KeyError, AttributeError):
        return None
