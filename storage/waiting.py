"""What an approved reply waits for before it is learned from: the conditions of storage/pairs.py, one by one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from sqlite3 import Connection
from typing import Literal

from storage import origins
from storage.conditions import APPROVED, REVIEWED
from storage.pair_records import ConsentRule
from storage.pairs import consent_clause
from storage.quarantine import LET_IN, NOT_SET_ASIDE
from storage.reply_records import Origin
from storage.servers import TAUGHT, Voice, taught

__all__ = ["WaitsFor", "waits_for"]

WaitsFor = Literal["server", "messages", "origins", "unknown_author", "consent", "second_moderator"]


def waits_for(
    db: Connection,
    reply_id: int,
    consent: ConsentRule,
    *,
    servers: Sequence[int],
    learn_from: Collection[Origin],
    voice: Voice | None = None,
) -> tuple[WaitsFor, ...]:
    """What keeps an approved reply from being eligible; nothing for one that is, or that is not approved.

    Where its server does not teach, that alone.
    """
    left_out = origins.excluded(db, learn_from)
    asked = f"""
        select {TAUGHT}, {origins.LEARNED}, replies.origins & :messages, {consent_clause(consent)},
            replies.source <> 'discord' or replies.authors_known, {NOT_SET_ASIDE} and {LET_IN}
        from {REVIEWED} where {APPROVED} and replies.id = :id
    """  # noqa: S608
    values = {
        **taught(db, servers, voice),
        "excluded": left_out,
        "messages": left_out & origins.bits_of(origins.MESSAGE_CONTENT),
        "id": reply_id,
    }
    for teaches, learned, messages, consented, known, accepted in db.execute(asked, values):
        if not teaches:
            return ("server",)
        found: dict[WaitsFor, bool] = {
            "messages": not learned and bool(messages),
            "origins": not learned and not messages,
            "unknown_author": not consented and not known,
            "consent": not consented and bool(known),
            "second_moderator": not accepted,
        }
        return tuple(name for name, waits in found.items() if waits)
    return ()
