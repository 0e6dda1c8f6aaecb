"""Why a pair was set aside: a code with its values, and the English words. The bot words the same codes in German.

Pure. The store keeps a reason as one text and does not look inside; what an older version kept is a sentence already.
"""

from __future__ import annotations

import json

from trainer.reasons import Reason, worded

__all__ = ["ENGLISH", "general", "in_english", "read_reason", "stored"]


ENGLISH: dict[str, str] = {
    "signs": "The reply is mostly signs, not words.",
    "repeats": "The reply says the same over and over.",
    "no_language": "The reply is in no language.",
    "language": "The reply is in another language ({language}) than what it answers.",
    "languages": "Several replies of this night are in another language ({language}), and this is one of them.",
    "script": "The reply is in another script than what it answers.",
    "phrase": 'The same phrase stands in many of the new replies and in few others: "{phrase}".',
    "loss": "The model finds the reply far less likely than the others ({nats:.1f} nats per token).",
    "unlikely": "The model finds the replies far less likely than the others.",
    "losses": "Several replies of this night make no sense, and this is one of them ({nats:.1f} nats per token).",
    "senseless": "Several replies of this night make no sense.",
    "flood_moderator": "One moderator approved most of the night's new pairs.",
    "flood_author": "Most of the night's new pairs answer one person.",
    "flood_circle": "Most of the night's new pairs answer people whose pairs only one moderator has ever approved.",
    "fits_other": "The answer does not fit its question. It fits the question of pair {pair} better.",
    "fits_none": "The answer does not fit its question.",
    "moved_up": "The answers of this import have slipped: each fits the question {rows} rows above it.",
    "moved_down": "The answers of this import have slipped: each fits the question {rows} rows below it.",
    "moved_up_1": "The answers of this import have slipped: each fits the question in the row above it.",
    "moved_down_1": "The answers of this import have slipped: each fits the question in the row below it.",
    "unfit_import": "The answers of this import fit their questions no better than in any other order.",
    "unfit_edits": "This moderator's edits of the night fit their questions no better than in any other order.",
    "sentence": "{text}",
}
"""A sentence for each code, as `str.format` takes it."""

_GENERAL = {"fits_other": "fits_none", "loss": "unlikely", "losses": "senseless"}
"""What a reason is called where several pairs have it."""


def general(reason: Reason) -> Reason:
    """The reason without what concerns one pair alone."""
    return Reason(_GENERAL[reason.code]) if reason.code in _GENERAL else reason


def in_english(text: str) -> str:
    """The sentence of a stored reason, for the command line and the log."""
    return worded(read_reason(text), ENGLISH)


def stored(reason: Reason) -> str:
    """A reason as the store keeps it."""
    return json.dumps({"code": reason.code, "values": dict(reason.values)}, ensure_ascii=False)


def read_reason(text: str) -> Reason:
    """What `stored` made; for anything else, the text itself as a sentence."""
    try:
        found = json.loads(text)
        reason = Reason(found["code"], found["values"])
        worded(reason, ENGLISH)
    except (ValueError, KeyError, TypeError):
        return Reason("sentence", {"text": text})
    return reason
