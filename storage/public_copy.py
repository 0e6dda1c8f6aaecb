"""A copy of the store without words, names and ids of people, to be looked through with SQL.

Columns are named that are in it: what a migration adds later is left out until somebody puts it here. A query cannot
reach what is not there.
"""

from __future__ import annotations

from sqlite3 import Connection

__all__ = ["HIDDEN", "PUBLIC", "copy_public"]

PUBLIC: dict[str, tuple[str, ...]] = {
    "replies": (
        "id",
        "source",
        "adapter",
        "base_model",
        "guild_id",
        "finish_reason",
        "created_at",
        "redacted",
        "authors_known",
        "confidence",
        "standing",
        "origins",
    ),
    "reviews": ("id", "reply_id", "verdict", "created_at"),
    "runs": (
        "number",
        "id",
        "started_by",
        "stage",
        "started_at",
        "snapshot_at",
        "local_date",
        "finished_at",
        "outcome",
        "champion",
        "challenger",
        "champion_nll",
        "challenger_nll",
        "holdout_pairs",
        "train_pairs",
        "snapshot_hash",
        "reported_at",
        "guild_id",
    ),
    "run_metrics": ("id", "run_id", "step", "name", "value", "at"),
    "run_replies": ("run_id", "first_id", "last_id"),
    "adapters": ("id", "run_id", "base_model", "created_at", "retired_at", "guild_id"),
    "promotions": ("id", "adapter", "kind", "created_at", "guild_id"),
    "candidates": ("adapter", "rival", "pairs", "created_at"),
    "candidate_pairs": ("adapter", "reply_id"),
    "votes": ("run_id", "sample", "guild_id", "preference", "created_at"),
    "quarantine": ("reply_id", "run_id", "created_at", "state", "decided_at"),
    "undoings": ("id", "guild_id", "since", "created_at", "reversed_at"),
    "audit": ("id", "created_at", "guild_id", "action"),
    "documents": ("id", "guild_id", "kind", "created_at", "updated_at"),
    "recall_entries": ("id", "guild_id", "reply_id", "document_id", "position"),
    "recalled": ("reply_id", "position", "example_id", "entry_id", "score", "tokens"),
    "answerability": ("reply_id", "best", "handed_over"),
    "outbox": ("id", "reply_id", "kind", "created_at"),
}
"""Table -> its columns that say nothing of a person."""

HIDDEN = frozenset(
    {
        "answer_messages",
        "bot_state",
        "consents",
        "erasures",
        "forgetting_key",
        "forgettings",
        "growing",
        "guild_settings",
        "holds",
        "home_server",
        "introductions",
        "joined_servers",
        "left_servers",
        "leases",
        "posts",
        "recall_askers",
        "recall_due",
        "recall_unembedded",
        "recall_vectors",
        "recall_versions",
        "recall_words",
        "reply_authors",
        "reply_messages",
        "said_words",
        "said_words_key",
        "threads",
        "undone_decisions",
        "undone_reviews",
    }
)
"""Tables that are left out whole."""


def copy_public(store: Connection, into: Connection) -> None:
    """Copy every public column, as it is at one moment, with keys as far as they are public."""
    store.execute("begin")
    try:
        for table, columns in PUBLIC.items():
            into.execute(_definition(store, table, columns))
            names, places = ", ".join(columns), ", ".join("?" * len(columns))
            rows = store.execute(f"select {names} from {table}")  # noqa: S608 - the names above
            into.executemany(f"insert into {table} ({names}) values ({places})", map(tuple, rows))  # noqa: S608
        into.commit()
    finally:
        store.execute("rollback")


def _definition(store: Connection, table: str, columns: tuple[str, ...]) -> str:
    """The statement that makes a table of these columns."""
    known = {str(row[1]): (str(row[2]), int(row[5])) for row in store.execute(f"pragma table_info({table})")}
    parts = [f"{name} {known[name][0]}" for name in columns]
    keys = sorted((place, name) for name, (_, place) in known.items() if place)
    if keys and all(name in columns for _, name in keys):
        parts.append(f"primary key ({', '.join(name for _, name in keys)})")
    for _, _, other, column, target, *_ in store.execute(f"pragma foreign_key_list({table})"):
        if column in columns and target in PUBLIC.get(other, ()):
            parts.append(f"foreign key ({column}) references {other} ({target})")
    return f"create table {table} ({', '.join(parts)})"
