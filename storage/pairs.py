"""Pairs: derived from replies and their latest review, in one indexed query, and never copied.

An approved reply gives its own text, an edited one the moderator's. Consent is read at the moment of asking, so
opting out takes effect on the next snapshot with nothing to update.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from sqlite3 import Connection

from storage import origins
from storage.conditions import APPROVED, REVIEWED, WAITING
from storage.pair_records import ConsentRule, Pair, PairCounts
from storage.quarantine import LET_IN, NOT_SET_ASIDE
from storage.reply_records import STRICTEST_FIRST, Origin, Turn
from storage.servers import TAUGHT, Voice, taught
from storage.turns import decode_turns

# Everybody whose words are known to be in the turns, and who asked, must have opted in. On Discord a turn without an
# author has nobody to ask; elsewhere (imports, the terminal) it is the operator's own material, which needs no leave.
CONSENTED = """
    ((replies.source <> 'discord' or replies.authors_known) and not exists (
        select 1 from reply_authors left join consents on consents.user_id = reply_authors.user_id
        where reply_authors.reply_id = replies.id and coalesce(consents.opted_in, 0) = 0
    ))
"""
# The statements below are put together from the constants above, never from a caller's text.
_PAIRS = f"""
    select replies.id, conversation, turns, coalesce(edited_text, text), reviews.created_at,
        verdict = 'edit', source, reviewer, adapter,
        (select group_concat(user_id) from reply_authors where reply_id = replies.id), reviewer_id, guild_id, origins
    from {REVIEWED} where {APPROVED}
"""  # noqa: S608


def eligible(
    db: Connection,
    consent: ConsentRule,
    reply_ids: Sequence[int] | None = None,
    *,
    servers: Sequence[int] = (),
    learn_from: Collection[Origin],
    voice: Voice | None = None,
) -> Iterator[Pair]:
    """Pairs that may be trained on, by reply number, one at a time from one consistent view; none from quarantine.

    With `reply_ids`, those of these that are eligible still. `"members"` wants the consent of everybody whose words are
    in the turns; `"operator"` takes every approved pair. Only the `servers` that the operator named teach;
    none: the first one. Of a server's own `voice`, only what teaches that. No word is of an origin beside `learn_from`
    (see `origins.learned`). Read to the end (or close the iterator) before writing with the same store.
    """
    clauses = f"{_PAIRS} and {_eligible(consent)} and {origins.LEARNED}"
    if reply_ids is not None:
        clauses += " and replies.id in (select value from json_each(:ids))"
    values = _values(db, servers, learn_from, voice) | {"ids": json.dumps(list(reply_ids or ()))}
    return _read(db, f"{clauses} order by replies.id", values)


def eligible_of(
    db: Connection,
    guild_id: int,
    consent: ConsentRule,
    *,
    servers: Sequence[int] = (),
    learn_from: Collection[Origin],
    voice: Voice | None = None,
    unowned: bool = False,
    places: Sequence[int] | None = None,
) -> list[Pair]:
    """The eligible pairs of one server, by reply number; `unowned` adds what the operator imported.

    With `places`, of what was said on Discord only what was said in these channels.
    """
    clauses = f"""
        {_PAIRS} and {_eligible(consent)} and {origins.LEARNED}
        and (replies.guild_id = :guild or (:unowned and replies.guild_id is null and source = 'import'))
        and (:places is null or channel_id is null or channel_id in (select value from json_each(:places)))
        order by replies.id
    """  # noqa: S608
    values = _values(db, servers, learn_from, voice)
    return list(_read(db, clauses, values | {"guild": guild_id, "unowned": unowned, "places": _listed(places)}))


def approved(db: Connection) -> Iterator[Pair]:
    """Every approved pair that is not redacted, by reply number: what an export holds."""
    return _read(db, f"{_PAIRS} order by replies.id")


def search(
    db: Connection,
    guild_id: int,
    text: str,
    limit: int,
    *,
    imports_of: Sequence[int] | None = None,
    places: Sequence[int] | None = None,
) -> list[Pair]:
    """Approved pairs of one server that hold `text` in any message or the reply, newest first.

    `imports_of` adds what is trained on for a server without being said there: imports of the operator and of these
    servers. With `places`, of what was said on Discord only what was said in these channels.
    """
    pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    clauses = f"""
        {_PAIRS} and (replies.guild_id = ?1 or (?2 is not null and source = 'import' and (
            replies.guild_id is null or replies.guild_id in (select value from json_each(?2)))))
        and (coalesce(edited_text, text) like ?3 escape '\\' or exists (
            select 1 from json_each(turns) as turn where turn.value ->> 'content' like ?3 escape '\\'))
        and (?5 is null or channel_id is null or channel_id in (select value from json_each(?5)))
        order by replies.id desc limit ?4
    """  # noqa: S608
    return list(_read(db, clauses, [guild_id, _listed(imports_of), pattern, limit, _listed(places)]))


def counts(
    db: Connection,
    consent: ConsentRule = "members",
    *,
    servers: Sequence[int] = (),
    learn_from: Collection[Origin],
    voice: Voice | None = None,
) -> PairCounts:
    """How many replies wait, were approved or rejected, and are eligible. Redacted ones count nowhere.

    Of a server's own `voice`, its own replies alone wait, and only what teaches it counts as approved or rejected.
    """
    of_voice = "" if voice is None else f"and {TAUGHT}"
    pending = f"select count(*) from replies where {WAITING} {of_voice}"  # noqa: S608
    judged = f"""
        select standing <> 'reject', count(*) from replies where redacted = 0 and standing is not null {of_voice}
        group by standing
    """  # noqa: S608
    usable = f"""
        select coalesce(sum({origins.LEARNED}), 0), count(*) from {REVIEWED} where {APPROVED} and {_eligible(consent)}
    """  # noqa: S608
    values = _values(db, servers, learn_from, voice)
    (waiting,) = db.execute(pending, values).fetchone()
    number = [0, 0]
    for approved, count in db.execute(judged, values):
        number[approved] += count
    eligible, all_of_them = db.execute(usable, values).fetchone()
    return PairCounts(
        pending=waiting, approved=number[1], rejected=number[0], eligible=eligible, excluded=all_of_them - eligible
    )


def _listed(ids: Sequence[int] | None) -> str | None:
    return None if ids is None else json.dumps(list(ids))


def _eligible(consent: ConsentRule) -> str:
    """The condition on a judged reply that is approved, but for the origins of its words."""
    return f"{NOT_SET_ASIDE} and {LET_IN} and {TAUGHT} and {consent_clause(consent)}"


def _values(
    db: Connection, servers: Sequence[int], learn_from: Collection[Origin], voice: Voice | None
) -> dict[str, object]:
    """What the conditions ask for."""
    return {**taught(db, servers, voice), "excluded": origins.excluded(db, learn_from)}


def consent_clause(consent: ConsentRule) -> str:
    if consent == "members":
        return CONSENTED
    if consent == "operator":
        return "1"
    raise ValueError(f"consent is 'members' or 'operator', not {consent!r}")


def _read(db: Connection, sql: str, values: Sequence[object] | Mapping[str, object] = ()) -> Iterator[Pair]:
    for row in db.execute(sql, values):
        reply_id, conversation, turns, completion, approved_at, edited, source, reviewer, adapter, people, *ids = row
        reviewer_id, guild_id, bits = ids
        shown, names = decode_turns(turns), origins.names_in(bits)
        yield Pair(
            reply_id,
            conversation,
            shown,
            completion,
            approved_at,
            bool(edited),
            source,
            reviewer,
            adapter,
            tuple(sorted(map(int, people.split(",")))) if people else (),
            reviewer_id,
            guild_id,
            _origin(source, shown, names, edited=edited),
            names,
        )


def _origin(source: str, turns: Sequence[Turn], names: frozenset[Origin], *, edited: bool) -> Origin:
    """Of a completion. An import's is a person's or the bot's if no turn has that origin, else the strictest of all."""
    if edited:
        return "moderator"
    if source != "import":
        return "bot"
    own = names - {"import", "command", *(turn.origin for turn in turns)} or names
    return next(one for one in STRICTEST_FIRST if one in own)
