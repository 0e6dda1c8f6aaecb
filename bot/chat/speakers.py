"""Speaker labels: the name before each person's message, added so that no text can imitate it.

Where several people speak, a message is shown as `Ada: Hello`, and its further lines are indented: a line that begins
at the margin with a label is always a message of its own. Where one person speaks, there is no label
unless a line could be read as one. Text that the model generates in somebody else's name is removed.
Plain functions over plain values.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from storage.files.speaker_labels import LONGEST_NUMBERED, label_of, labelled, labels_for

__all__ = ["could_be_labelled", "label_of", "labelled", "labels_for", "labels_in", "showable", "without_labels"]

_LABEL = re.compile(rf"^([^\n:\[\]]{{1,{LONGEST_NUMBERED}}}):(?:\s|$)", re.MULTILINE)
_EMPHASIS = r"[*_]*"


def could_be_labelled(text: str) -> bool:
    """Whether a line of `text` begins as a labelled message does."""
    return any(_LABEL.search(form) for form in (text, unicodedata.normalize("NFKC", text)))


def labels_in(contents: Iterable[str]) -> list[str]:
    """The labels of messages that carry one, each once."""
    found = [match[1] for match in map(_LABEL.match, contents) if match is not None]
    return list(dict.fromkeys(found))


def without_labels(text: str, labels: Sequence[str]) -> str:
    """An answer without a label before it, up to where it begins to speak for somebody."""
    if not labels:
        return text
    name = "|".join(re.escape(label) for label in sorted(labels, key=len, reverse=True))
    mark = rf"[ \t]*{_EMPHASIS}(?:{name}){_EMPHASIS}[ \t]*:{_EMPHASIS}(?=\s|$)"
    text = re.sub(rf"\A(?:\s*{mark}\s*)+", "", text, flags=re.IGNORECASE)
    return re.split(rf"\n{mark}", text, maxsplit=1, flags=re.IGNORECASE)[0]


def showable(text: str, labels: Sequence[str]) -> str:
    """What may be shown of an answer that still grows: without a last line that may become a label."""
    head, newline, last = text.rpartition("\n")
    begun = last.strip().strip("*_").casefold()
    if any(f"{label}:".casefold().startswith(begun) for label in labels) and (begun or not head):
        return without_labels(head, labels)
    return without_labels(f"{head}{newline}{last}", labels)
