"""The names that prompts and replies have in files of other programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = [
    "PROMPT_NAMES",
    "REPLY_NAMES",
    "SYSTEM_NAMES",
    "Ambiguous",
    "beside_prompt",
    "find_name",
    "instead_of",
    "plain_name",
]

PROMPT_NAMES = frozenset(
    (
        *("prompt", "prompts", "question", "questions", "comment", "comments", "input", "inputs", "user", "human", "q"),
        *("instruction", "instructions", "query", "queries", "message", "messages", "request", "requests"),
        *("user message", "user input", "user prompt", "user query"),
        *("frage", "fragen", "eingabe", "nachricht", "nachrichten", "kommentar", "kommentare"),
    )
)
REPLY_NAMES = frozenset(
    (
        *("reply", "replies", "response", "responses", "answer", "answers", "output", "outputs", "assistant", "a"),
        *("completion", "completions", "bot", "gpt", "assistant message", "assistant response", "bot reply"),
        *("bot response", "model response", "antwort", "antworten", "ausgabe"),
    )
)
SYSTEM_NAMES = frozenset(("system", "system prompt", "system message"))
_CONTEXT = "context"  # Dolly's, SQuAD's: what a question is about
_INSTRUCTION, _INPUT = "instruction", "input"  # Alpaca's


def beside_prompt(names: Sequence[str]) -> frozenset[str]:
    """Which of a row's names belong to its prompt, so that none is dropped: a context, an instruction's input."""
    plain = {plain_name(name) for name in names}
    inputs = {_INPUT} if _INSTRUCTION in plain else set()
    return frozenset(plain & ({_CONTEXT} | inputs))


def instead_of(wanted: str | None, names: Sequence[str]) -> str | None:
    """The prompt's name: who names an instruction's input means both, which the instruction leads."""
    is_input = wanted is not None and plain_name(wanted) == _INPUT
    return _INSTRUCTION if is_input and _INSTRUCTION in map(plain_name, names) else wanted


class Ambiguous(Exception):
    """Two names could be meant. Never leaves the readers."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first, second)
        self.first, self.second = first, second


def plain_name(name: str) -> str:
    """A column's name as names are compared: in small letters, its words apart by one space."""
    return " ".join(re.split(r"[\s_-]+", name.strip().casefold()))


def find_name(names: Sequence[str], wanted: str | None, usual: frozenset[str]) -> int | None:
    """Position of the name `wanted`, else of the only one with a usual name. Raises Ambiguous."""
    plain = [plain_name(name) for name in names]
    accepted = usual if wanted is None else {plain_name(wanted)}
    found = [position for position, name in enumerate(plain) if name in accepted]
    if len(found) > 1:
        raise Ambiguous(names[found[0]], names[found[1]])
    return found[0] if found else None
