"""Secrets in what a run learns from, and whether a reply gives one away. Pure: text in, findings out.

Found are e-mail addresses, telephone numbers, keys and tokens, and what follows words like "password is". A string
counts only when it is hard to guess: its Shannon entropy (of its own characters, times its length) reaches `MIN_BITS`.
Web addresses and Discord's mentions and emoji are passed over, but for keys in an address's query. What a pattern
misses is not found: this is a net under the moderators, not a replacement for them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from storage.pair_records import Pair

__all__ = ["PREFIXES", "Secret", "secrets_in", "secrets_of"]

MIN_BITS = 20.0
"""Bits below which a string is too easy to guess to be called a secret."""

PREFIXES = ("My password is", "My e-mail address is", "You can call me at", "The key is")
"""What anybody might write to make a model go on with a secret."""

_LEAD = 60  # characters before a secret that are worth asking with
_BEFORE = 4 * _LEAD  # characters in which they are looked for

_HARMLESS = re.compile(r"<(?:@[!&]?|#|a?:\w+:|t:)\d+(?::\w)?>|\b\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?")
_ADDRESS = re.compile(r"https?://\S+")
_IN_QUERY = re.compile(r"[?&](?:token|key|api_?key|secret|sig|password)=([^&\s]+)", re.IGNORECASE)
_PATTERNS = (
    ("an e-mail address", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    (
        "a key or token",
        re.compile(
            r"\b(?:(?:sk|pk|rk)[-_]|gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hf_|AKIA|AIza|eyJ)[\w.-]{12,}"
            r"|\b[\w-]{23,28}\.[\w-]{6}\.[\w-]{27,}"
        ),
    ),
    (
        "a password",
        re.compile(
            r"\b(?:pass(?:word|wort|phrase|code)|kennwort|pin|secret|token|key|schl\u00fcssel|code)\b[^.!?\n]{0,20}?"
            r"(?:\bis\b|\bist\b|\blautet\b|:|=)\s*[\"'`*]*([^\s\"'`*]{4,})",
            re.IGNORECASE,
        ),
    ),
    ("a telephone number", re.compile(r"(?<![\w@#/.])\+?\(?\d(?:[ ()./-]{0,2}\d){8,14}(?![\w/])")),
    ("a key or token", re.compile(r"(?<![\w@#])[A-Za-z0-9][\w+/=.~$%&-]{8,}[A-Za-z0-9=]")),
)
_WORDS = len(_PATTERNS) - 1
"""The number of the last pattern, which takes any long word and needs a closer look."""


@dataclass(frozen=True)
class Secret:
    """A string that a reply must not give away.

    Attributes:
        kind: what it looks like, with its article.
        text: the secret itself: never to be written to a log or a record.
        lead: the words before it, at most one line.
        reply_id: the reply it was found in.
    """

    kind: str
    text: str
    lead: str
    reply_id: int = 0

    def is_in(self, text: str) -> bool:
        """Whether a text contains it, whatever its case and, for a number, however it is spaced."""
        if self.kind == "a telephone number":
            return _digits(self.text) in _digits(text)
        return self.text.casefold() in text.casefold()


def secrets_in(text: str, allowed: Sequence[str] = ()) -> list[Secret]:
    """The secrets in a text, in the order they are found, each once.

    Args:
        text: for example a completion.
        allowed: regular expressions; a string that one of them matches as a whole is no secret.
    """
    found: dict[str, Secret] = {}
    known = ""  # all that were found, in one string: looking through it is one search
    for kind, secret, start in _candidates(text):
        if (
            secret.casefold() in known
            or _bits(secret) < MIN_BITS
            or any(re.fullmatch(one, secret, re.IGNORECASE) for one in allowed)
        ):
            continue
        lead = text[max(0, start - _BEFORE) : start].rstrip("\"'`* \n").rpartition("\n")[2][-_LEAD:]
        found[secret.casefold()] = Secret(kind, secret, lead)
        known += f"{secret.casefold()}\n"
    return list(found.values())


def secrets_of(pairs: Iterable[Pair], allowed: Sequence[str] = ()) -> list[Secret]:
    """The secrets in the completions of pairs, each with the first reply it is found in."""
    found: dict[str, Secret] = {}
    for pair in pairs:
        for one in secrets_in(pair.completion, allowed):
            found.setdefault(one.text.casefold(), Secret(one.kind, one.text, one.lead, pair.reply_id))
    return list(found.values())


def _candidates(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, string, where it starts)."""
    for match in _IN_QUERY.finditer(text):
        yield "a key or token", match[1], match.start(1)
    # Blanked out rather than removed, so that positions stay.
    plain = _ADDRESS.sub(_blank, _HARMLESS.sub(_blank, text))
    for number, (kind, pattern) in enumerate(_PATTERNS):
        for match in pattern.finditer(plain):
            group = 1 if pattern.groups else 0
            secret = match[group].rstrip(".,;:!?)")
            if kind == "a password" and not re.search(r"[\d\W_]", secret):
                continue  # "the key is patience"
            if number < _WORDS or _looks_random(secret):
                yield kind, secret, match.start(group)


def _looks_random(word: str) -> bool:
    """Whether a long word is no word: lower, upper and digits change places, or a number stands among letters.

    Names of things ("SmolLM2-135M-Instruct", "AVX512-BF16") do not: each part is short, or changes once or twice.
    """
    for part in re.split(r"[^A-Za-z0-9]+", word):
        kinds = ["d" if sign.isdigit() else "u" if sign.isupper() else "l" for sign in part]
        changes = sum(one != other for one, other in itertools.pairwise(kinds))
        if len(part) >= 10 and "d" in kinds and len(set(kinds)) > 1 and changes >= 4:
            return True
    numbers = [number for number in re.findall(r"\d{4,}", word) if not re.fullmatch(r"(?:19|20)\d\d", number)]
    return len(word) >= 12 and bool(numbers) and bool(re.search(r"[A-Za-z]{4}", word))


def _bits(text: str) -> float:
    counts = Counter(text)
    return -sum(count * math.log2(count / len(text)) for count in counts.values())


def _digits(text: str) -> str:
    """A text without what may stand between the digits of one number."""
    return re.sub(r"(?<=\d)[ ()./-]+(?=\d)", "", text).replace("(", "")


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
