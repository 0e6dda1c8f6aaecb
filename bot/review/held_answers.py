"""Held answers: what the asker reads before and after moderators have judged an answer.

The asker first sees a notice. An approval turns it into the answer, an edit into the moderator's text, a rejection into
a refusal; undoing a verdict brings the notice back. bot/review/outbox.py shows it.
"""

from __future__ import annotations

from bot.discord_io.sanitize import sanitize
from bot.i18n.en import moderation as texts
from storage.reply_records import Reply
from storage.review_records import Review

__all__ = ["shown_for"]


def shown_for(reply: Reply, review: Review | None, *, unseen: bool = False, unsure: bool = False) -> str:
    """What may be read on Discord after `review`.

    `unseen`: no card could be posted. `unsure`: it is held because it may be wrong.
    """
    if review is None and unsure and not unseen:
        return texts.UNSURE_NOTICE
    if review is None:
        return texts.HELD_UNSEEN if unseen else texts.HELD_NOTICE
    if review.verdict == "reject":
        return texts.HELD_REFUSED
    return sanitize(review.edited_text if review.edited_text is not None else reply.text)
