"""Promotions: which adapter is champion, as the outcome of rows that are only ever added.

The champions so far form a stack. "gate" and "use" push one (None: the bare base); "rollback" cuts the stack back to
the champion before, whose name it stores, so that the same rows always fold to the same stack whatever is
retired later. Retired adapters are passed over when the champion is read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import Enum
from sqlite3 import Connection, Row
from typing import Literal

from storage import adapters
from storage.database import writing
from storage.errors import AdapterRetired, ChampionChanged, NothingToRollBack
from storage.records import Promotion, PromotionKind
from storage.timestamps import now


class AnyAdapter(Enum):
    """Stands for "no matter which adapter is in use", since None is the bare base."""

    ANY = "any"


ANY: Literal[AnyAdapter.ANY] = AnyAdapter.ANY
Expected = str | None | Literal[AnyAdapter.ANY]
"""The adapter that must be in use for a promotion to happen."""


def fold(promotions: Sequence[Promotion]) -> list[str | None]:
    """The stack of champions, the latest last. Pure."""
    stack: list[str | None] = []
    for promotion in promotions:
        if promotion.kind == "rollback":
            while stack and stack[-1] != promotion.adapter:
                stack.pop()
        else:
            stack.append(promotion.adapter)
    return stack


def champion_of(stack: Sequence[str | None], retired: Collection[str]) -> str | None:
    """The latest champion that is not retired; None, the bare base, if there is none. Pure."""
    return next((adapter for adapter in reversed(stack) if adapter not in retired), None)


def champion_at(promotions: Sequence[Promotion], retired: Collection[str], moment: str) -> str | None:
    """The champion at a moment (UTC, ISO 8601), as far as it is not retired now; None is the bare base. Pure."""
    return champion_of(fold([one for one in promotions if one.created_at <= moment]), retired)


def previous_of(stack: Sequence[str | None], retired: Collection[str]) -> str | None:
    """The champion before the present one: the latest that differs from it and is not retired. Pure.

    Raises:
        NothingToRollBack: the bare base is champion and no other champion came before it.
    """
    current = champion_of(stack, retired)
    for adapter in reversed(stack):
        if adapter != current and adapter not in retired:
            return adapter
    if current is None:
        raise NothingToRollBack
    return None


def promote(
    db: Connection,
    adapter: str | None,
    *,
    kind: PromotionKind,
    actor: str,
    reason: str,
    expected: Expected = ANY,
) -> Promotion:
    """Make an adapter (None: the bare base) the champion, if the champion is the one that is expected.

    Raises:
        AdapterMissing: no row of that id.
        AdapterRetired: it is retired.
        ChampionChanged: another adapter is in use than `expected`.
        ValueError: `kind` is "rollback", which has its own function.
    """
    if kind not in ("gate", "use"):
        raise ValueError(f"a promotion is 'gate' or 'use', not {kind!r}; call rollback to go back")
    with writing(db):
        if adapter is not None and adapters.get(db, adapter).retired_at is not None:
            raise AdapterRetired(adapter)
        _expect(db, expected)
        return _insert(db, adapter, kind, actor, reason)


def before(db: Connection) -> str | None:
    """The adapter that a rollback leads to (None: the bare base). Raises NothingToRollBack."""
    return previous_of(fold(history(db)), _retired(db))


def rollback(db: Connection, *, actor: str, reason: str, to: Expected = ANY) -> Promotion:
    """Go back to the champion before this one.

    Raises:
        NothingToRollBack: there is none.
        ChampionChanged: it is another one than `to`, whose files were looked at.
    """
    with writing(db):
        previous = before(db)
        if to is not ANY and previous != to:
            raise ChampionChanged(champion(db))
        return _insert(db, previous, "rollback", actor, reason)


def champion(db: Connection) -> str | None:
    """The adapter in use, or None for the bare base."""
    return champion_of(fold(history(db)), _retired(db))


def history(db: Connection) -> list[Promotion]:
    """Every promotion, oldest first."""
    return [_promotion(row) for row in db.execute("select * from promotions order by id")]


def last_id(db: Connection) -> int:
    """The number of the latest promotion, 0 if there is none: a cheap way to see that something changed."""
    (number,) = db.execute("select coalesce(max(id), 0) from promotions").fetchone()
    return int(number)


def _expect(db: Connection, expected: Expected) -> None:
    if expected is not ANY and (current := champion(db)) != expected:
        raise ChampionChanged(current)


def _retired(db: Connection) -> set[str]:
    return {row[0] for row in db.execute("select id from adapters where retired_at is not null")}


def _insert(db: Connection, adapter: str | None, kind: PromotionKind, actor: str, reason: str) -> Promotion:
    created_at = now()
    cursor = db.execute(
        "insert into promotions (adapter, kind, actor, reason, created_at) values (?, ?, ?, ?, ?)",
        [adapter, kind, actor, reason, created_at],
    )
    return Promotion(int(cursor.lastrowid or 0), adapter, kind, actor, reason, created_at)


def _promotion(row: Row) -> Promotion:
    return Promotion(row["id"], row["adapter"], row["kind"], row["actor"], row["reason"], row["created_at"])
