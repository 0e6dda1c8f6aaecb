"""Discord's markup in an answer: whether anything of it can be seen, and what is still open where it was cut.

Pure: text in, text out.
"""

from __future__ import annotations

import re
import unicodedata

from discord.utils import escape_markdown

__all__ = ["as_link_text", "closing", "is_visible", "open_markup"]

_FENCE = re.compile(r"```(?:(\w+)(?=\n))?")  # opens and closes a code block, wherever it stands
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:.|\n)*?(?<!`)\1(?!`)")  # inline code: nothing inside it is markup
# Pairs that Discord closes at the end of what they mark. `*` and `_` alone: only where they can open, so that a
# bullet, a product (2 * 3) and a snake_case name stay what they are.
_PAIR = re.compile(
    r"\\.|\*\*|__|~~|\|\||`+|(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])|(?<![\w_])_(?=[^\s_])|(?<=[^\s_])_(?![\w_])"
)
_EMPTY_FENCE = re.compile(r"```\w*\s*```")
_LINE_MARK = re.compile(r"^\s*(?:>{1,3}|#{1,3}|-#)(?:\s+|$)", re.MULTILINE)
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # letters and signs that are drawn as nothing


def is_visible(text: str) -> bool:
    """Whether Discord shows anything of `text`: not so for zero-width signs, `** **` or an empty code block."""
    bare = "".join(" " if _is_blank(one) else one for one in text)
    bare = _LINE_MARK.sub("", _EMPTY_FENCE.sub("", bare))
    return bool(re.sub(r"[\s*_~|`]", "", bare))


def _is_blank(character: str) -> bool:
    if character in "\n\t":
        return False
    return character in _BLANK_LETTERS or unicodedata.category(character) in {"Cf", "Cc", "Zs", "Zl", "Zp", "Cn", "Co"}


def open_markup(part: str) -> tuple[str, ...]:
    """What is still open at the end of `part`, outermost first; an open code block alone, with its language."""
    fences = list(_FENCE.finditer(part))
    if len(fences) % 2:
        return (f"```{fences[-1][1] or ''}",)
    opened: list[str] = []
    text = _CODE.sub("", re.sub(r"```.*?```", "", part, flags=re.DOTALL))
    for match in _PAIR.finditer(text):
        mark = match[0]
        if mark.startswith("\\"):
            continue
        if opened and opened[-1].startswith("`") and mark != opened[-1]:
            continue  # inside inline code
        if mark in opened:
            del opened[opened.index(mark) :]
        elif text[match.end() : match.end() + 1].strip() or mark.startswith("`"):
            opened.append(mark)
    return tuple(opened)


def closing(part: str, *, code_only: bool = False) -> str:
    """What closes everything that is open at the end of `part`; with `code_only`, only a code block."""
    opened = open_markup(part)
    if opened and opened[0].startswith("```"):
        return "```" if part.endswith("\n") else "\n```"
    return "" if code_only else "".join(reversed(opened))


def as_link_text(text: str) -> str:
    """A text on one line that is shown as it is, also between the brackets of a link."""
    return escape_markdown(" ".join(text.split()).replace("[", "(").replace("]", ")"))
