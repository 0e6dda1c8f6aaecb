"""Held answers: what may be read on Discord of a draft, before and after moderators have seen it.

The asker sees a notice; an approval turns it into the answer, an edit into the moderator's text, a rejection into a
refusal, and a verdict taken back into the notice again. How it gets there is bot/review/outbox.py's affair.
"""

from __future__ import annotations

from bot.discord_io.sanitize import sanitize
from bot.i18n.en import moderation as texts
from storage.records import Reply, Review

__all__ = ["shown_for"]


def shown_for(reply: Reply, review: Review | None, *, unseen: bool = False) -> str:
    """What may be read on Discord while `review` stands; `unseen`: no card could be posted. Pure."""
    if review is None:
        return texts.HELD_UNSEEN if unseen else texts.HELD_NOTICE
    if review.verdict == "reject":
        return texts.HELD_REFUSED
    return sanitize(review.edited_text if review.edited_text is not None else reply.text)
