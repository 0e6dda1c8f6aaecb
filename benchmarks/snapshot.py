"""Builds a store of many pairs and takes a snapshot of it: seconds and peak memory, each step in a process of its own.

    python -m benchmarks.snapshot [--pairs 1000000] [--home DIRECTORY]

The rows go into the real tables with plain SQL (approving a million replies one at a time would take an hour); the
snapshot is read through the store as a run reads it, with consent asked of every member. Peak memory is the process's,
Python and libraries included.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

WORDS = Path(__file__).resolve().parent.parent / "README.md"
MEMBERS, MODERATORS = 2_000, 12


def build(database: Path, pairs: int) -> None:
    """Replies of one to three turns by 2,000 members, judged by 12 moderators; one question in fifty twice."""
    from storage.database import open_database
    from storage.store import Store

    Store.open(database).close()
    db = open_database(database)
    db.execute("pragma synchronous = off")
    rng = random.Random(1)
    words = sorted(set(WORDS.read_text(encoding="utf-8").split()))
    now = "2026-11-24T04:00:00.000+00:00"
    db.execute("begin")
    db.executemany("insert into consents values (?, 1, ?)", [(member, now) for member in range(1, MEMBERS + 1)])
    said = ""
    for number in range(1, pairs + 1):
        member = 1 + int(rng.paretovariate(1.2)) % MEMBERS
        if number % 50 != 1 or not said:
            said = " ".join(rng.choices(words, k=12))
        turns = [{"role": "user", "content": said, "author_id": member, "message_id": number}]
        if number % 3 == 0:
            turns = [*turns, {"role": "assistant", "content": " ".join(rng.choices(words, k=20))}, turns[0]]
        answer = said[::-1] + said
        day = f"2026-{1 + number * 11 // pairs:02}-{1 + number % 28:02}T04:00:00.000+00:00"
        db.execute(
            """
            insert into replies (id, source, conversation, turns, text, base_model, guild_id, channel_id, asker_id,
                finish_reason, created_at, authors_known)
            values (?, 'discord', ?, ?, ?, 'embedded', 1, ?, ?, 'stop', ?, 1)
            """,
            (number, f"discord:1:{number // 7}", json.dumps(turns), answer, number % 40, member, day),
        )
        db.execute("insert into reply_authors values (?, ?)", (number, member))
        verdict, edited = ("edit", answer + " edited") if number % 10 == 0 else ("approve", None)
        db.execute(
            "insert into reviews (reply_id, verdict, edited_text, reviewer, created_at) values (?, ?, ?, ?, ?)",
            (number, verdict, edited, f"moderator {number % MODERATORS}", day),
        )
    db.execute("commit")
    db.close()


def measure(database: Path) -> dict[str, Any]:
    """Take a snapshot with the default settings; gives figures."""
    from storage.origins import ORIGINS
    from storage.store import Store
    from trainer.data_settings import SnapshotConfig
    from trainer.snapshot.snapshot import stream_snapshot

    with Store.open(database) as store:
        began = time.perf_counter()
        read = sum(1 for _ in store.eligible_pairs("members", learn_from=ORIGINS))
        reading = time.perf_counter() - began
        began, worked = time.perf_counter(), time.process_time()
        snapshot = stream_snapshot(
            partial(store.eligible_pairs, "members", learn_from=ORIGINS),
            0.15,
            SnapshotConfig(),
            max_holdout=500,
            former=None,
        )
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
    return {
        "eligible": read,
        "reading alone, s": round(reading, 1),
        "snapshot, s": round(seconds, 1),
        "processor time, s": round(worked, 1),
        "peak RSS, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "train / hold-out": f"{len(snapshot.train)} / {len(snapshot.holdout)}",
        "left out": dict(snapshot.left_out),
    }


def main() -> None:
    """Build (unless it is there) and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="keep the database there and use it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        database = (options.home or Path(scratch)) / f"{options.pairs}.db"
        fresh = multiprocessing.get_context("spawn")
        if not database.exists():
            with fresh.Pool(1) as pool:
                pool.apply(build, (database, options.pairs))
        with fresh.Pool(1) as pool:
            for name, value in pool.apply(measure, (database,)).items():
                print(f"{name:>20}  {value}")


if __name__ == "__main__":
    main()
