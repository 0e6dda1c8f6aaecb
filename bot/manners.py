"""Manners: what generated text may not do on Discord, whatever the model wrote.

Pings are already impossible (the client allows no mentions); here the text itself is made harmless, so that it neither
looks like a call to everybody nor carries an invitation. What is stored and learned from is the text as generated.
"""

from __future__ import annotations

import re

from bot.texts import OWN_MARK

__all__ = ["polite"]

_NOTHING = "\u200b"  # a zero-width space: the words stay readable and lose their effect
_EVERYBODY = re.compile(r"@(?=everyone\b|here\b)", re.IGNORECASE)
_ROLE = re.compile(r"<@&\d+>")
_INVITE = re.compile(r"\b(discord(?:app)?)\s*\.\s*(gg|com\s*/\s*invite|me|io|li)(?=\s*/)", re.IGNORECASE)


def polite(text: str) -> str:
    """The text with mass mentions and invitations to other servers defanged. Harmless text comes back as it is.

    It cannot hold the mark of the bot's own notices, however the model came by it.
    """
    text = text.replace(OWN_MARK, "")
    text = _EVERYBODY.sub(f"@{_NOTHING}", text)
    text = _ROLE.sub(f"@{_NOTHING}role", text)
    return _INVITE.sub(lambda match: f"{match[1]}[.]{''.join(match[2].split())}", text)
