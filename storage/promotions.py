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

from storage import adapters, lineage
from storage.adapter_errors import AdapterMissing, AdapterRetired, ChampionChanged, NothingToRollBack
from storage.database import writing
from storage.run_records import Promotion, PromotionKind
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
    guild_id: int | None = None,
) -> Promotion:
    """Make an adapter (None: the bare base) the champion, if the champion is the one that is expected.

    Of a server's own voice, with `guild_id`; otherwise of the one voice of all servers.

    Raises:
        AdapterMissing: no row of that id, or it is of another voice.
        AdapterRetired: it is retired.
        ChampionChanged: another adapter is in use than `expected`.
        ValueError: `kind` is "rollback", which has its own function.
    """
    if kind not in ("gate", "use"):
        raise ValueError(f"a promotion is 'gate' or 'use', not {kind!r}; call rollback to go back")
    with writing(db):
        if adapter is not None:
            found = adapters.get(db, adapter)
            if found.guild_id != guild_id:
                raise AdapterMissing(adapter)
            if found.retired_at is not None:
                raise AdapterRetired(adapter)
        _expect(db, expected, guild_id)
        return _insert(db, adapter, kind, actor, reason, guild_id=guild_id)


def before(db: Connection, guild_id: int | None = None) -> str | None:
    """The adapter that a rollback leads to (None: the bare base). Raises NothingToRollBack."""
    return previous_of(_stack(db, guild_id), _retired(db))


def rollback(db: Connection, *, actor: str, reason: str, to: Expected = ANY, guild_id: int | None = None) -> Promotion:
    """Go back to the champion before this one.

    Raises:
        NothingToRollBack: there is none.
        ChampionChanged: it is another one than `to`, whose files were looked at.
    """
    with writing(db):
        previous = before(db, guild_id)
        if to is not ANY and previous != to:
            raise ChampionChanged(champion(db, guild_id))
        return _insert(db, previous, "rollback", actor, reason, guild_id=guild_id)


def champion(db: Connection, guild_id: int | None = None) -> str | None:
    """The adapter in use, or None for the bare base.

    A server's own voice stands on that of all servers until it has an adapter of its own, unless that learned from
    other servers (`lineage.fits_server`): then on the bare base.
    """
    return champion_of(_stack(db, guild_id), _retired(db))


def history(db: Connection, guild_id: int | None = None) -> list[Promotion]:
    """Every promotion of a server's own voice, or (None) of the one voice of all servers, oldest first."""
    return [
        _promotion(row) for row in db.execute("select * from promotions where guild_id is ? order by id", [guild_id])
    ]


def since(db: Connection, number: int) -> list[Promotion]:
    """The promotions of servers' own voices with a higher number, oldest first."""
    rows = db.execute("select * from promotions where id > ? and guild_id is not null order by id", [number])
    return [_promotion(row) for row in rows]


def last_id(db: Connection) -> int:
    """The number of the latest promotion, 0 if there is none: a cheap way to see that something changed."""
    (number,) = db.execute("select coalesce(max(id), 0) from promotions").fetchone()
    return int(number)


def _expect(db: Connection, expected: Expected, guild_id: int | None) -> None:
    if expected is not ANY and (current := champion(db, guild_id)) != expected:
        raise ChampionChanged(current)


def _stack(db: Connection, guild_id: int | None) -> list[str | None]:
    """The champions of a voice, the latest last; a server's own begins with what it stands on."""
    own = fold(history(db, guild_id))
    return own if guild_id is None else [_ground(db, guild_id), *own]


def _ground(db: Connection, guild_id: int) -> str | None:
    shared = champion(db)
    return shared if shared is not None and lineage.fits_server(db, shared, guild_id) else None


def _retired(db: Connection) -> set[str]:
    return {row[0] for row in db.execute("select id from adapters where retired_at is not null")}


def _insert(
    db: Connection, adapter: str | None, kind: PromotionKind, actor: str, reason: str, *, guild_id: int | None
) -> Promotion:
    created_at = now()
    cursor = db.execute(
        "insert into promotions (adapter, kind, actor, reason, created_at, guild_id) values (?, ?, ?, ?, ?, ?)",
        [adapter, kind, actor, reason, created_at, guild_id],
    )
    return Promotion(int(cursor.lastrowid or 0), adapter, kind, actor, reason, created_at, guild_id)


def _promotion(row: Row) -> Promotion:
    return Promotion(
        row["id"], row["adapter"], row["kind"], row["actor"], row["reason"], row["created_at"], row["guild_id"]
    )
