"""Fingerprints of text: which pairs are the same, and which imported pairs belong to one conversation.

Pure. What counts as the same text is decided here and must not change lightly: the hold-out of the trainer
follows the conversation's name.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence

from storage.reply_records import Turn


def normalise(text: str) -> str:
    """The text in Unicode's composed form with each run of white space as one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def content_hash(turns: Sequence[Turn], completion: str) -> str:
    """SHA-256 of the normalised turns (roles and words, not authors) and completion: equal means duplicate."""
    parts = [f"{turn.role}\x1f{normalise(turn.content)}" for turn in turns]
    parts.append(f"completion\x1f{normalise(completion)}")
    return hashlib.sha256("\x1e".join(parts).encode()).hexdigest()


def import_conversation(turns: Sequence[Turn], guild_id: int | None = None) -> str:
    """The name of an imported pair's conversation: pairs of one origin that open with the same question share one."""
    first = next((turn.content for turn in turns if turn.role == "user"), "")
    digest = hashlib.sha256(normalise(first).casefold().encode()).hexdigest()
    return f"import:{digest[:16]}" if guild_id is None else f"import:{guild_id}:{digest[:16]}"
