"""Origins: where the words of each turn came from, and which of them may be learned from.

Discord's Developer Policy (rule 21) forbids training on message content obtained through its APIs unless Discord has
given its permission. So a pair is learned from only if every turn of its prompt, and its completion, are of an origin
that the operator chose. A turn whose origin nobody knows counts as message content. A reply keeps the origins of all
that its prompt is made of in one number, the sum of their `BITS`; those never change, since databases hold them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from sqlite3 import Connection
from typing import get_args

from storage import state
from storage.database import writing
from storage.reply_records import MESSAGE_CONTENT, Origin, Source, Turn

__all__ = [
    "LEARNED",
    "LEARNED_BY_DEFAULT",
    "MESSAGE_CONTENT",
    "ORIGINS",
    "POLICY",
    "RULE",
    "bits_of",
    "excluded",
    "learned",
    "names_in",
    "of_answers",
    "origin_of",
    "permit",
    "permitted",
]

POLICY = "https://support-dev.discord.com/hc/en-us/articles/8563934450327-Discord-Developer-Policy"
RULE = (
    "Do not use message content obtained through the APIs to train machine learning or AI models (including large "
    "language models) unless express permission is granted by Discord."
)
"""Rule 21 of Discord's Developer Policy, since 8 July 2024."""

ORIGINS: tuple[Origin, ...] = get_args(Origin)
"""All there are."""

LEARNED_BY_DEFAULT: tuple[Origin, ...] = tuple(one for one in ORIGINS if one not in MESSAGE_CONTENT)

PERMITTED: tuple[Origin, ...] = ("message", "direct_message")
"""What joins when Discord has given this application permission; an export was made by another one."""

BITS: dict[Origin, int] = {
    "message": 1,
    "direct_message": 2,
    "discord_export": 4,
    "command": 8,
    "import": 16,
    "moderator": 32,
    "bot": 64,
}
_PERMISSION = "message_content_permission"

# For a statement over `REVIEWED`, with what `excluded` returns. The words to be learned are a moderator's after an
# edit, the bot's after an approval; those of an import are among its `origins`.
LEARNED = f"""
    (replies.origins & :excluded = 0 and iif(reviews.verdict = 'edit',
        :excluded & {BITS["moderator"]} = 0, replies.source = 'import' or :excluded & {BITS["bot"]} = 0))
"""


def bits_of(origins: Iterable[Origin]) -> int:
    """Origins as one number."""
    return sum(BITS[one] for one in set(origins))


@lru_cache(maxsize=1 << len(BITS))
def names_in(bits: int) -> frozenset[Origin]:
    """The origins in a number."""
    return frozenset(one for one, bit in BITS.items() if bits & bit)


def learned(db: Connection, learn_from: Collection[Origin]) -> tuple[Origin, ...]:
    """The origins that are learned from.

    Args:
        db: an open database, which knows whether Discord gave its permission.
        learn_from: what the operator chose.
    """
    allowed = {*learn_from, *(PERMITTED if permitted(db) else ())}
    return tuple(one for one in ORIGINS if one in allowed)


def excluded(db: Connection, learn_from: Collection[Origin]) -> int:
    """The others, as one number."""
    return sum(BITS.values()) - bits_of(learned(db, learn_from))


def origin_of(turn: Turn, source: Source) -> Origin:
    """Where the words of a turn came from; where it does not say, the strictest that is possible."""
    if turn.origin is not None:
        return turn.origin
    if source != "discord":
        # The operator's own material; what names its author by their Discord id was said there.
        return "import" if turn.author_id is None else "discord_export"
    if turn.role == "assistant":
        return "bot"
    return "command" if turn.role == "system" else "message"  # a persona of Discord is typed into a form


def of_answers(db: Connection, turns: Iterable[Turn]) -> int:
    """Of what the bot's own turns among these were answers to, as one number: they may quote it.

    An answer that is not stored may have been to anything, so it counts as message content.
    """
    found = 0
    for turn in turns:
        if turn.role != "assistant":
            continue
        rows = db.execute(
            """
            select origins, exists (select 1 from reviews where reply_id = replies.id and verdict = 'edit')
            from answer_messages join replies on replies.id = answer_messages.reply_id
            where answer_messages.message_id = ?
            """,
            [turn.message_id],
        ).fetchall()
        for bits, edited in rows:
            found |= bits | (BITS["moderator"] if edited else 0)
        found |= 0 if rows else BITS["message"]
    return found


def permitted(db: Connection) -> bool:
    """Whether it was said that Discord has given this application permission to train on message content."""
    return state.get(db, _PERMISSION) == "1"


def permit(db: Connection, *, on: bool) -> None:
    """Keep whether Discord has given this application permission."""
    with writing(db):
        state.put(db, _PERMISSION, "1" if on else "0")
