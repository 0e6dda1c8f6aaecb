"""Preferences: which answer people liked better than which other, derived from verdicts and votes and never copied.

An edit prefers the moderator's words to the bot's; an approved answer is preferred to a rejected one to the very same
prompt, and to one whose place it took because somebody asked for another; a vote prefers one adapter's answer to
another's. What is asked for is given by the pairs' reply numbers, so
consent, redaction and quarantine are those of the pairs.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from sqlite3 import Connection

from storage import origins
from storage.conditions import LATEST_REVIEW
from storage.fingerprints import normalise
from storage.pair_records import Choice, ConsentRule
from storage.pairs import CONSENTED
from storage.reply_records import Origin
from storage.servers import Voice, taught

_EDITS = f"""
    select replies.id, edited_text, text
    from json_each(?) as wanted join replies on replies.id = wanted.value
    join reviews on {LATEST_REVIEW} and verdict = 'edit'
    where redacted = 0 order by replies.id
"""  # noqa: S608 - put together from constants, as below

# Turns name messages and authors, so equal turns are one moment of one conversation, answered twice.
_REJECTED = f"""
    with rejected as materialized (
        select replies.id, guild_id, conversation, turns, text from replies
        join reviews on {LATEST_REVIEW} and verdict = 'reject'
        where source <> 'import' and redacted = 0 and origins & ? = 0 and (? = 'operator' or {CONSENTED})
    )
    select replies.id, coalesce(edited_text, replies.text), rejected.text
    from rejected join replies on replies.conversation = rejected.conversation and replies.turns = rejected.turns
        and replies.guild_id is rejected.guild_id
    join json_each(?) as wanted on replies.id = wanted.value
    join reviews on {LATEST_REVIEW} and verdict in ('approve', 'edit')
    where replies.redacted = 0 order by replies.id, rejected.id
"""  # noqa: S608

# Another answer stands in the same message as the first; one that was made longer goes on with the same words.
_REGENERATED = f"""
    select replies.id, coalesce(edited_text, replies.text), earlier.text
    from json_each(?) as wanted join replies on replies.id = wanted.value
    join reviews on {LATEST_REVIEW} and verdict in ('approve', 'edit')
    join replies as earlier on earlier.message_id = replies.message_id and earlier.id < replies.id
        and earlier.conversation = replies.conversation and earlier.turns = replies.turns
    where replies.redacted = 0 and earlier.redacted = 0 and earlier.standing is null
        and substr(replies.text, 1, length(earlier.text)) <> earlier.text
        and exists (select 1 from replies where replies.id = earlier.id and origins & ? = 0
            and (? = 'operator' or {CONSENTED}))
    order by replies.id, earlier.id
"""  # noqa: S608

# A sample whose words were withdrawn is null.
_VOTES = """
    select json_extract(details, '$.samples[' || sample || ']'),
        sum(preference = 'challenger'), sum(preference = 'champion')
    from votes join runs on runs.id = votes.run_id
    where votes.guild_id in (select value from json_each(:servers)) and (not :apart or runs.guild_id = votes.guild_id)
        and json_extract(details, '$.samples[' || sample || ']') is not null
    group by run_id, sample order by run_id, sample
"""


def of_pairs(
    db: Connection,
    reply_ids: Iterable[int],
    consent: ConsentRule,
    *,
    servers: Sequence[int] = (),
    learn_from: Collection[Origin],
    voice: Voice | None = None,
) -> Iterator[Choice]:
    """Choices on the prompts of these eligible pairs: edits, rejections, regenerations, votes with a majority.

    There are none where the bot's words are not learned from: each choice is between them and others.

    Answers that differ in spacing only are no choice. Read to the end before writing with the same store.

    Args:
        db: an open database.
        reply_ids: the pairs' replies, which the caller has found eligible.
        consent: as the pairs were chosen by; a rejected or regenerated answer needs it too.
        servers: those that teach, for the votes that count; none: the first one.
        learn_from: as the pairs were chosen by; a rejected or regenerated answer's prompt is of these origins
            too.
        voice: as the pairs were chosen by; then its server's votes count, and no answer from elsewhere is worse.
    """
    barred = origins.excluded(db, learn_from)
    if "bot" in origins.names_in(barred):
        return
    chosen = frozenset(reply_ids)
    wanted = json.dumps(sorted(chosen))
    for reply_id, better, worse in db.execute(_EDITS, [wanted]):
        if normalise(better) != normalise(worse):
            yield Choice(reply_id, better, worse, "edit")
    for reply_id, better, worse in db.execute(_REJECTED, [barred, consent, wanted]):
        if normalise(better) != normalise(worse):
            yield Choice(reply_id, better, worse, "rejection")
    for reply_id, better, worse in db.execute(_REGENERATED, [wanted, barred, consent]):
        if normalise(better) != normalise(worse):
            yield Choice(reply_id, better, worse, "regeneration")
    yield from _votes(db, chosen, taught(db, servers, voice))


def _votes(db: Connection, reply_ids: frozenset[int], those: Mapping[str, object]) -> Iterator[Choice]:
    for text, challenger, champion in db.execute(_VOTES, those):
        sample = json.loads(text) if text else {}
        reply_id, ours, theirs = (sample.get(name) for name in ("reply_id", "text", "champion"))
        if reply_id not in reply_ids or not isinstance(ours, str) or not isinstance(theirs, str):
            continue
        if challenger != champion and normalise(ours) != normalise(theirs):
            better, worse = (ours, theirs) if challenger > champion else (theirs, ours)
            yield Choice(reply_id, better, worse, "vote")
