"""What people read when all decisions of one moderator are taken back, in English."""

from __future__ import annotations

from bot.i18n.language import in_every_language

BAD_SINCE = "Say since when: `3d`, `12h`, or a date such as `2026-11-20` or `2026-11-20 14:30` (UTC)."
NOTHING = "This moderator has made no decision here since then that still counts."
GONE = "That has already been put back."
PUT_BACK = "Put them back"


def undone(who: str, verdicts: int, decisions: int, adapters: int) -> str:
    """`verdicts` and quarantine `decisions` of a moderator taken back, and how many adapters learned from them."""
    lines = [f"Taken back: {_count(verdicts, 'review')} by {who}. The reviews before them count again."]
    if decisions:
        waits = "waits" if decisions == 1 else "wait"
        lines.append(f"{_count(decisions, 'pair')} from quarantine {waits} for a decision again.")
    if adapters:
        lines.append(
            f"{_count(adapters, 'adapter')} learned from them. The next training replaces the one in use; "
            "`/adapter rollback` goes back at once."
        )
    return "\n".join(lines)


def put_back(verdicts: int, decisions: int) -> str:
    lines = [f"Put back: {_count(verdicts, 'review')}. Newer decisions stay."]
    if decisions:
        counts = "counts" if decisions == 1 else "count"
        lines.append(f"{_count(decisions, 'quarantine decision')} {counts} again.")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


in_every_language(__name__)
