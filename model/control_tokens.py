"""Control tokens and role marks: what a tokenizer and its chat template read as structure, and text made free of it.

Whatever a person types stays text. A string is judged by what the tokenizer makes of it, not by how it is spelled, so
normalising tokenizers (full width, zero width, upper case) are covered too. Knows no messages and no templates.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

__all__ = ["Controls"]

# Control strings of well-known chat templates that some tokenizers do not register as added tokens.
_KNOWN = (
    *("[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>", "<end_of_turn>", "<s>", "</s>", "<unk>"),
    *("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"),
    *("[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
)
_PIPED = r"<[|\uff5c][^<>\n]{1,60}[|\uff5c]>"  # <|im_end|>, <|user|> and their like, of any model
# Gemma adds these as tokens of their own; they are words, not structure.
_HTML = re.compile(r"</?(?:table|caption|thead|tbody|tfoot|tr|th|td|h\d|blockquote|strong|em|b|i|u|code|pre|ul|ol|li)>")
_MARK_WORDS, _MARK_CHARS = 8, 80
_GENTLE_ROUNDS = 6  # of breaking strings apart; what is still read as structure then is cut out
_MOST_ROUNDS = 16  # of both; then only letters, digits and spaces are left


class Controls:
    """The control tokens of one tokenizer. `marks` are role marks that its template writes as plain text.

    Attributes:
        ids: ids of the control tokens. The one for unknown text is among them only where its name was typed.
    """

    def __init__(self, tokenizer: Any, marks: Iterable[str] = ()) -> None:
        self._tokenizer = tokenizer
        self._unknown: int | None = tokenizer.unk_token_id
        added = {int(id_): token for id_, token in tokenizer.added_tokens_decoder.items()}
        named = {id_: str(token.content) for id_, token in added.items() if _is_control(token)}
        special = {int(id_): str(name) for name, id_ in _special(tokenizer)}
        self._names = {**special, **named}
        self._names = {id_: name for id_, name in self._names.items() if len(name.strip()) > 1}
        self.ids = frozenset(self._names)
        self._pattern = re.compile("|".join([*self._known(), *map(_mark_pattern, marks)]), re.IGNORECASE)

    def count(self, ids: Iterable[int]) -> list[int]:
        """The control tokens among `ids`, in their order, without those for unknown text."""
        return [id_ for id_ in ids if id_ in self.ids and id_ != self._unknown]

    def without(self, text: str) -> str:
        """`text` in which nothing is structure: `<|im_end|>` becomes `< |im_end|>`. Idempotent."""
        plain = _folded(text)
        if not self._pattern.search(text) and self._pattern.search(plain):
            text = plain  # full width or zero width hid it
        rounds = 0
        while spans := self._spans(text):
            rewrite = _broken if rounds < _GENTLE_ROUNDS else _cut
            for start, end in reversed(spans):
                text = text[:start] + rewrite(text[start:end]) + text[end:]
            rounds += 1
            if rounds == _MOST_ROUNDS:  # thousands within one another: a round for each would take seconds
                text = re.sub(r"[^\w\s]", "", text)
        return text

    def marks_in(self, text: str) -> set[str]:
        """Lines of a template's text that typed text could imitate: what stands there beside control tokens.

        Words alone are marks only where no control token stands with them.
        """
        spans = self._spans(text)
        for start, end in reversed(spans):
            text = f"{text[:start]}\n{text[end:]}"
        lines = {line.strip() for line in text.splitlines()}
        return {line for line in lines if _is_mark(line, words=not spans)}

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where `text` is read as structure, in order and apart."""
        spans, end = [], 0
        for span in sorted([match.span() for match in self._pattern.finditer(text)] + self._token_spans(text)):
            if end <= span[0] < span[1]:
                spans.append(span)
                end = span[1]
        return spans

    def _token_spans(self, text: str) -> list[tuple[int, int]]:
        if not self._tokenizer.is_fast:  # the pattern holds the tokens' names instead
            return []
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        pairs = zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        return [(start, end) for id_, (start, end) in pairs if id_ in self.ids and self._is_typed(id_, text[start:end])]

    def _is_typed(self, id_: int, span: str) -> bool:
        return id_ != self._unknown or _folded(span).casefold().strip() == self._names[id_].casefold()

    def _known(self) -> Iterable[str]:
        names = _KNOWN if self._tokenizer.is_fast else (*_KNOWN, *self._names.values())
        return (_PIPED, *map(re.escape, sorted(names, key=len, reverse=True)))


def _special(tokenizer: Any) -> Iterable[tuple[str, int]]:
    return zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=False)


def _is_control(token: Any) -> bool:
    """Whether an added token is structure: all special ones, and others that are neither words, space nor HTML."""
    name = str(token.content)
    return bool(token.special) or (re.fullmatch(r"[\w\s]*", name) is None and _HTML.fullmatch(name) is None)


def _is_mark(line: str, *, words: bool) -> bool:
    """Whether a line of a template is a role mark: short, and more than a word alone (unless `words`)."""
    few = len(line.split()) <= _MARK_WORDS and 2 <= len(line) <= _MARK_CHARS
    signed = words or re.search(r"[^\w\s]", line) is not None
    return few and signed and re.search(r"\w\w|##", line) is not None


def _mark_pattern(mark: str) -> str:
    """A role mark in any case, its words apart by any space (SentencePiece reads U+2581 as one).

    One that is nothing but words is a mark only where it stands on a line alone.
    """
    words = r"[\s\u2581]+".join(map(re.escape, mark.split()))
    if re.fullmatch(r"[\w\s]+", mark):
        return rf"(?<![^\n]){words}(?=[ \t]*(?![^\n]))"
    return rf"(?<!\w){words}" if mark[0].isalnum() else words


def _folded(text: str) -> str:
    """The text as normalising tokenizers read it: compatibility forms resolved, invisible signs gone."""
    return "".join(sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf")


def _broken(span: str) -> str:
    """A space after the first sign, or, where that is part of a word, before the first that is not."""
    lead = len(span) - len(span.lstrip())
    at = lead + 1
    if span[lead : lead + 1].isalnum() and (sign := re.search(r"[^\w\s]", span[lead:])):
        at = lead + sign.start()
    return f"{span[:at]} {span[at:]}" if at < len(span) else span[:lead]


def _cut(_span: str) -> str:
    return ""
