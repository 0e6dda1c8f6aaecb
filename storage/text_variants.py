"""Text variants: what counts as the same words, whatever their spelling, punctuation and place. Pure.

For recognising in a file what was said on Discord. A whole message counts, with and without its speaker's label; so
does each of its sentences that is long enough to be nobody else's by chance.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["variants"]

_LABEL = re.compile(r"\A[^\n:]{1,40}:\s+")
_SENTENCE_END = re.compile(r"[.!?\u2026:;\n\r\u3002\uff01\uff1f]+(?=\s|$)")
_SENTENCE = 5  # words from which a sentence counts by itself
_OURS = 3  # words from which the bot's own answer counts: everybody says "Yes."


def variants(text: str, *, by_bot: bool = False) -> set[str]:
    """The variants of a text, by which it is known again; `by_bot` leaves out what anybody would answer."""
    whole = [text, _LABEL.sub("", text, count=1)]
    sentences = [one for one in _SENTENCE_END.split(text) if _count(one) >= _SENTENCE]
    found = {_letters(one) for one in (*whole, *sentences) if not by_bot or _count(one) >= _OURS}
    return found - {""}


def _count(text: str) -> int:
    return len(re.findall(r"\w+", text))


def _letters(text: str) -> str:
    """Letters and digits alone, small, without accents or spacing; of a text without any, the text itself."""
    spelled = text.casefold()
    if not text.isascii():
        spelled = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    letters = "".join(filter(str.isalnum, spelled))
    return letters or "".join(text.split())
