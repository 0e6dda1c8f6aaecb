"""What people read when all decisions of one moderator are taken back, in English."""

from __future__ import annotations

from bot.i18n.language import in_every_language

BAD_SINCE = "Say since when: `3d`, `12h`, or a date such as `2026-11-20` or `2026-11-20 14:30` (UTC)."
NOTHING = "This moderator has decided nothing here since then that still counts."
GONE = "That was put back already."
PUT_BACK = "Put them back"


def undone(who: str, verdicts: int, decisions: int, adapters: int) -> str:
    """`verdicts` and quarantine `decisions` of a moderator taken back, and how many adapters learned from them."""
    lines = [f"Taken back: {_count(verdicts, 'verdict')} of {who}. What stood before them counts again."]
    if decisions:
        lines.append(f"{_count(decisions, 'pair')} they had decided about in quarantine wait again.")
    if adapters:
        lines.append(
            f"{_count(adapters, 'adapter')} learned from them. The next training replaces what is in use; "
            "`/adapter rollback` goes back at once."
        )
    return "\n".join(lines)


def put_back(verdicts: int, decisions: int) -> str:
    lines = [f"Put back: {_count(verdicts, 'verdict')}. Whatever was decided anew in the meantime stays."]
    if decisions:
        lines.append(f"{_count(decisions, 'decision')} about the quarantine hold again.")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


in_every_language(__name__)
