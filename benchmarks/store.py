"""How long the store takes for what people wait for, with many replies: `python -m benchmarks.store`.

Makes a database of replies (three of four judged, a tenth on a second server) in a temporary folder, then asks what
each command and button asks, and prints the time of each.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from storage.database import check_database, writing
from storage.origins import ORIGINS
from storage.store import Store

HOME, OTHER = 5, 6
_WORDS = (
    "answers",
    "questions",
    "about",
    "wood",
    "oil",
    "finish",
    "sand",
    "grain",
    "joint",
    "plane",
    "chisel",
    "bench",
)
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_MEMBERS = 5000


def main() -> None:
    """Make, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replies", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nightshift.db"
        began = time.monotonic()
        with Store.open(path) as store:
            fill(store, options.replies)
        size = path.stat().st_size / 1e9
        print(f"{options.replies:,} replies, {size:.1f} GB, made in {time.monotonic() - began:.0f} s\n")
        with Store.open(path) as store:
            for name, ask in questions(store):
                print(f"{timed(ask):9.1f} ms  {name}", flush=True)
        print(f"{timed(lambda: check_database(path)):9.1f} ms  at the start: quick_check")


def timed(ask: Callable[[], Any]) -> float:
    """Milliseconds of one call, the second of two: what it reads is in memory, as it is in a running bot."""
    ask()
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1000


def questions(store: Store) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is asked, by who asks it."""
    yield "/status: counts", lambda: store.counts("members", learn_from=ORIGINS)
    for order in ("newest", "oldest", "unsure"):
        yield f"/review {order}: the first card", partial(store.next_card, HOME, order)
    first = store.next_card(HOME, "newest")
    assert first is not None  # noqa: S101  (a tenth waits)
    yield "/review newest: the next card", lambda: store.next_card(HOME, "newest", first.reply.id)
    yield "/review, undo: how many wait", lambda: store.waiting(HOME)
    yield "/stats by day", lambda: store.reviews_by_day(HOME, "2026-06-01")
    yield "/stats by adapter", lambda: store.reviews_by_adapter(HOME)
    yield "/pairs search: a word of many", lambda: store.search_pairs(HOME, "chisel", 5)
    yield "/pairs search: a word of none", lambda: store.search_pairs(HOME, "zebra", 5)
    yield "/privacy status: a busy member", lambda: store.member_data(1)
    yield "a verdict: the standing one", lambda: store.latest_review(first.reply.id)
    yield "a card: the reply of a message", lambda: store.reply_by_message(first.reply.id)
    yield "a question: answers today", lambda: store.answers_since(1, HOME, _BEGAN)
    yield "a deletion: one message", lambda: store.redact_messages([1])
    yield "a deleted channel: its messages", lambda: store.messages_in(999)
    yield "retention: one step", lambda: store.purge("2026-01-02", after=0)
    yield "the start: what stands where", lambda: store.stored_messages("", 1000)


def fill(store: Store, count: int) -> None:
    """Write the rows themselves: a million through the front door would take an hour."""
    db, draw = store._db, random.Random(1)  # noqa: SLF001
    with writing(db):
        db.executemany(
            """
            insert into replies (id, source, conversation, turns, text, adapter, base_model, guild_id, channel_id,
                message_id, asker_id, prompt_message_id, finish_reason, created_at, redacted, authors_known,
                content_hash, confidence)
            values (?, 'discord', ?, ?, ?, ?, 'base', ?, ?, ?, ?, ?, ?, ?, 0, 1, ?, ?)
            """,
            (_reply(number, draw) for number in range(1, count + 1)),
        )
        db.executemany(
            "insert into reply_authors (reply_id, user_id) values (?, ?)",
            ((number, _asker(number)) for number in range(1, count + 1)),
        )
        db.executemany(
            "insert into reply_messages (reply_id, message_id) values (?, ?)",
            ((number, 10**9 + number) for number in range(1, count + 1)),
        )
        db.executemany(
            "insert into reviews (reply_id, verdict, reviewer_id, reviewer, created_at) values (?, ?, ?, 'Mo', ?)",
            (
                (number, "reject" if number % 5 == 0 else "approve", number % 7, _when(number))
                for number in range(1, count + 1)
                if number % 4
            ),
        )
        db.executemany(
            "insert into consents (user_id, opted_in, updated_at) values (?, 1, ?)",
            ((member, _when(1)) for member in range(1, _MEMBERS, 2)),
        )
    db.execute("analyze")


def _reply(number: int, draw: random.Random) -> tuple[Any, ...]:
    asker = _asker(number)
    question, answer = (" ".join(draw.choices(_WORDS, k=length)) for length in (12, 40))
    turns = [{"role": "user", "content": question, "author_id": asker, "message_id": 10**9 + number}]
    conversation = f"discord:{number % 50}:{number}"
    guild = OTHER if number % 10 == 0 else HOME
    adapter = f"night-{number // 50_000}"
    ended = "length" if number % 20 == 0 else "stop"
    return (
        *(number, conversation, json.dumps(turns), answer, adapter, guild, number % 50, number, asker),
        *(10**9 + number, ended, _when(number), f"{number:032x}", draw.random()),
    )


def _asker(number: int) -> int:
    return 1 if number % 100 == 0 else 1 + number % _MEMBERS


def _when(number: int) -> str:
    return (_BEGAN + timedelta(seconds=20 * number)).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    main()
