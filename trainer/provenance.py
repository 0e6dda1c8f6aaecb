"""Which replies a run learned from: a file of numbers and hashes beside its log, kept after the run.

It answers two questions without keeping a word of what was said: is anything new since, and which adapters saw
words that were withdrawn later.
"""

from __future__ import annotations

import json
from pathlib import Path

from storage.errors import ReplyNotFound
from storage.store import Store
from trainer.snapshot import Snapshot, digest

__all__ = ["provenance_of", "tainted_adapters", "write_provenance"]

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


def tainted_adapters(store: Store, runs: Path) -> list[str]:
    """Adapters in use or in reserve that saw a reply whose words have been withdrawn since."""
    withdrawn: dict[int, bool] = {}
    tainted = []
    for adapter in store.adapters():
        if adapter.retired_at is not None or adapter.run_id is None:
            continue
        seen = provenance_of(runs / adapter.run_id) or {}
        for reply_id in seen:
            if reply_id not in withdrawn:
                withdrawn[reply_id] = _is_withdrawn(store, reply_id)
        if any(withdrawn[reply_id] for reply_id in seen):
            tainted.append(adapter.id)
    return tainted


def _is_withdrawn(store: Store, reply_id: int) -> bool:
    try:
        return store.reply(reply_id).redacted
    except ReplyNotFound:
        return True
