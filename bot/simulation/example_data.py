"""The example data that ships with Nightshift: its pairs, its held-out questions and its signature.

`examples/` at the root of the repository is linked here as `bot/examples`, so the same files are found in a
clone and in an installed wheel. This file only reads them; it knows nothing of Discord, models or the store.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

__all__ = ["EXAMPLES", "Example", "load_examples", "shared_signature"]

EXAMPLES = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Example:
    """One question of the example data and its answer."""

    prompt: str
    reply: str


def load_examples(name: Literal["voice", "held-out"]) -> tuple[Example, ...]:
    """The pairs to learn from (`voice`) or the questions to be judged by (`held-out`), in their order."""
    lines = (EXAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_example(json.loads(line)["messages"]) for line in lines)


def shared_signature(replies: Sequence[str]) -> str:
    """The words that every reply ends with, without the white space around them; empty if there are none.

    Full stops that happen to end every sentence before the signature are not part of it.
    """
    backwards = [reply.rstrip()[::-1] for reply in replies]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*backwards, strict=False))
    ending = "".join(letters[0] for letters in same)[::-1]
    whole = all(len(reply) == len(ending) for reply in backwards)
    if not whole and not ending[:1].isspace():
        # The shared ending may begin in the middle of a word ("...ship. - Name", "...deep. - Name").
        _, _, ending = ending.partition(" ")
    return ending.strip()


def _example(messages: list[dict[str, str]]) -> Example:
    prompt, reply = messages
    return Example(prompt=prompt["content"], reply=reply["content"])
