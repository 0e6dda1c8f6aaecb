"""Speaker labels: the name before each person's message, where several people speak, so that no text can imitate it.

A message is shown as `Ada: Hello`, and its further lines are indented. Conversations on Discord and those of imported
files carry the same labels. Plain functions over plain values.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable

__all__ = ["LONGEST_NUMBERED", "label_of", "labelled", "labels_for", "unlabelled"]

_LONGEST = 32  # characters: the longest display name on Discord
LONGEST_NUMBERED = _LONGEST + 5
"""Characters of a label with a number behind it, which tells two people of one name apart."""
_NAMELESS = "Somebody"
_INDENT = "  "


def label_of(name: str) -> str:
    """A display name as a label: one line, nothing invisible in it, no colon, and no bracket as attachments have."""
    readable = "".join(" " if _is_apart(one) else one for one in name if _is_shown(one))
    return " ".join(readable.split())[:_LONGEST].rstrip() or _NAMELESS


def labels_for(speakers: Iterable[tuple[Hashable, str]]) -> dict[Hashable, str]:
    """A label for each speaker, by their identity and in the order they spoke; no two are the same to a reader."""
    labels: dict[Hashable, str] = {}
    taken: set[str] = set()
    for who, name in speakers:
        if who in labels:
            continue
        label, count = label_of(name), 1
        while _folded(label) in taken:
            count += 1
            label = f"{label_of(name)} ({count})"
        taken.add(_folded(label))
        labels[who] = label
    return labels


def labelled(label: str, text: str) -> str:
    """A message with its author's label."""
    return f"{label}: " + text.replace("\n", f"\n{_INDENT}")


def unlabelled(text: str) -> str:
    """A message without the label that it begins with, if it does."""
    label, mark, rest = text.partition(": ")
    return rest.replace(f"\n{_INDENT}", "\n") if mark and len(label) <= LONGEST_NUMBERED else text


def _folded(label: str) -> str:
    return unicodedata.normalize("NFKC", label).casefold()


def _is_apart(character: str) -> bool:
    return character.isspace() or bool(set(":[]") & set(unicodedata.normalize("NFKC", character)))


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in {"Cf", "Cc", "Cs", "Co", "Cn"} or character.isspace()
