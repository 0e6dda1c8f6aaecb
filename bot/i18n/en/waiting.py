"""What moderators read of an approved reply that is not learned from yet: what it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from bot.i18n.en import moderation, texts
from bot.i18n.language import in_every_language

FOR = {
    "server": "I do not learn from this server. The person who runs me chooses the servers I learn from.",
    "messages": "It contains messages, which Discord lets nobody train on without its permission (`/setup`).",
    "origins": "The person who runs me has excluded where some of its words come from (`learn_from`).",
    "unknown_author": "It contains words of someone I cannot ask for consent, such as another bot.",
    "consent": "Not everyone in the conversation has opted in (`/privacy opt-in`).",
    "second_moderator": "A second moderator has to look at it (`/pairs quarantine`).",
}
CARD_TITLE = "Not used for training"


def waiting(waits_for: Sequence[str]) -> str:
    """Why an approved reply is not learned from for now; "" for one that is."""
    if not waits_for:
        return ""
    return "For now, I will not learn from it: " + " ".join(FOR[one] for one in waits_for)


def recorded(verdict: str, waits_for: Sequence[str]) -> str:
    """What a moderator reads after a verdict."""
    if verdict == "undo":
        return moderation.UNDONE
    if not waits_for:
        return texts.RECORDED[verdict]
    said = {"approve": "Approved.", "edit": "Saved. The message in the channel does not change."}[verdict]
    return f"{said} {waiting(waits_for)}"


def on_card(waits_for: Sequence[str], seconds: int) -> str:
    """The same on a card, with the moment (seconds since 1970) at which it was so."""
    return f"As of <t:{seconds}:f>: " + " ".join(FOR[one] for one in waits_for)


in_every_language(__name__)
