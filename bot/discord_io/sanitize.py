"""Makes safe what the bot posts on Discord, no matter who wrote it: the model, a member or a moderator.

Promised, and kept by `harmless` for everything and by `sanitize` for answers:

- nobody is pinged (the client allows no mentions), and nothing looks like a call to everybody;
- an invitation to a Discord server cannot be followed: the addresses below, in every spelling that Unicode's
  compatibility normalisation, percent-decoding, other full stops, invisible signs or Markdown's marks make equal;
- a link shows where it leads: masked links stand with their address;
- no sign turns the direction of text, so that what is read is what is there.

Not promised: look-alike letters of other alphabets, shortened links, words that only describe an address, and pictures.
What is stored and learned from is the text as generated.
"""

from __future__ import annotations

import re
import unicodedata

from bot.i18n.en.texts import OWN_MARK

__all__ = ["harmless", "quotation", "sanitize"]

_NOTHING = "\u200b"  # a zero-width space: the words stay readable and lose their effect
_EVERYBODY = re.compile(r"@(?=everyone\b|here\b)", re.IGNORECASE)
_ROLE = re.compile(r"<@&\d+>")
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MASKED = re.compile(r"\](?=\(\s*<?\s*[A-Za-z][A-Za-z0-9+.-]*:[/\\])")
# Over folded text. The full stop before the last part of the name is the group that is taken out.
_INVITE = re.compile(
    r"(?:discord(?:app)?\s*(?P<com>\.)\s*com\.?(?::\d+)?\s*/[\s/.]*(?:invite|servers)\b"
    r"|(?:discord\s*(?P<own>\.)\s*(?:gg|me|io|li|link|st)|dsc\s*(?P<short>\.)\s*gg|invite\s*(?P<other>\.)\s*gg)"
    r"\.?(?::\d+)?\s*[/?#])"
)
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_STOPS = frozenset("\u3002\uff0e\uff61\u2024\ufe52\u00b7")  # taken for a full stop in an address, or looking like one
_MARKS = frozenset("*_~`|")  # Markdown's, which are not shown
_UNSEEN = frozenset({"Cf", "Mn", "Me", "Cc"})
_HEAD = re.compile(r"^(?=[#>*+-]|\d+[.)])")


def sanitize(text: str) -> str:
    """An answer as it may be posted: `harmless`, and without anything that looks like a mention of many."""
    text = harmless(text)
    text = _EVERYBODY.sub(f"@{_NOTHING}", text)
    return _ROLE.sub(f"@{_NOTHING}role", text)


def harmless(text: str) -> str:
    """The text without turned directions, masked links and invitations. Harmless text comes back as it is.

    It cannot hold the mark of the bot's own notices, however it came by it.
    """
    text = _TURNING.sub("", text.replace(OWN_MARK, ""))
    text = _MASKED.sub(f"]{_NOTHING}", text)
    return _without_invitations(text)


def quotation(text: str) -> str:
    """Somebody's words as one line of a quotation in the bot's message: no second line, heading, list or mention."""
    line = " ".join(sanitize(text).split())
    return _HEAD.sub(_NOTHING, line)


def _without_invitations(text: str) -> str:
    for backslash in ("", "/"):  # Markdown does not show it, and a browser takes it for a slash
        folded, spans = _folded(text, backslash)
        for match in reversed(list(_INVITE.finditer(folded))):
            start, end = spans[next(match.start(name) for name, stop in match.groupdict().items() if stop)]
            text = f"{text[:start].rstrip(' ')}[.]{text[end:].lstrip(' ')}"
    return text


def _folded(text: str, backslash: str) -> tuple[str, list[tuple[int, int]]]:
    """The text as an address is read, in small letters, and where each of its characters stands in the text."""
    folded: list[str] = []
    spans: list[tuple[int, int]] = []
    place = 0
    while place < len(text):
        escaped = _PERCENT.match(text, place)
        end = escaped.end() if escaped else place + 1
        sign = chr(int(escaped[0][1:], 16)) if escaped else text[place]
        for one in backslash if sign == "\\" else _read(sign):
            folded.append(one)
            spans.append((place, end))
        place = end
    return "".join(folded), spans


def _read(sign: str) -> str:
    if sign in _STOPS:
        return "."
    if sign in _MARKS:
        return ""
    if sign.isascii():
        return sign.lower() if sign.isprintable() or sign.isspace() else ""
    if unicodedata.category(sign) in _UNSEEN:
        return ""
    return "".join(
        "." if one in _STOPS else one
        for one in unicodedata.normalize("NFKD", sign).casefold()
        if unicodedata.category(one) not in _UNSEEN
    )
