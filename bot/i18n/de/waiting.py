"""The German of bot/i18n/en/waiting.py."""

from __future__ import annotations

from collections.abc import Sequence

from bot.i18n.de import moderation, texts

FOR = {
    "server": "Von diesem Server lerne ich nicht. Von welchen Servern ich lerne, bestimmt mein Betreiber.",
    "messages": "Sie enthält Nachrichten, und aus denen darf ich nur lernen, wenn Discord es erlaubt hat (`/setup`).",
    "origins": "Mein Betreiber hat ausgeschlossen, woher ein Teil ihrer Wörter stammt (`learn_from`).",
    "unknown_author": "Sie enthält Wörter von jemandem, den ich nicht fragen kann, etwa von einem anderen Bot.",
    "consent": "Nicht alle Beteiligten des Gesprächs haben zugestimmt (`/privacy opt-in`).",
    "second_moderator": "Jemand Zweites aus der Moderation muss sie sich noch ansehen (`/pairs quarantine`).",
}
CARD_TITLE = "Kommt nicht ins Training"


def waiting(waits_for: Sequence[str]) -> str:
    if not waits_for:
        return ""
    return "Vorerst lerne ich nicht aus ihr: " + " ".join(FOR[one] for one in waits_for)


def recorded(verdict: str, waits_for: Sequence[str]) -> str:
    if verdict == "undo":
        return moderation.UNDONE
    if not waits_for:
        return texts.RECORDED[verdict]
    said = {"approve": "Freigegeben.", "edit": "Gespeichert. Die Nachricht im Kanal bleibt, wie sie ist."}[verdict]
    return f"{said} {waiting(waits_for)}"


def on_card(waits_for: Sequence[str], seconds: int) -> str:
    return f"Stand <t:{seconds}:f>: " + " ".join(FOR[one] for one in waits_for)
