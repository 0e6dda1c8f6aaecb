"""Canary prompts: everyday and hostile questions that every challenger answers before it may serve.

The shipped ones, and how an operator's own are read. Knows no model; what the answers are worth
`trainer.evaluation.gate` says.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

__all__ = ["LONGEST", "canary_prompts", "checked", "read_canaries"]

LONGEST = 2000
"""Characters of a prompt: what Discord takes in one message."""


def canary_prompts(own: Sequence[str]) -> list[str]:
    """The shipped prompts and then the operator's own, each once."""
    rows = files("trainer").joinpath("canaries.jsonl").read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys([*(json.loads(row)["prompt"] for row in rows), *own]))


def read_canaries(path: Path) -> tuple[str, ...]:
    """The prompts in a file: one a line, or JSON lines with "prompt". Empty lines and those with # are passed over.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
        ValueError: a line is no prompt; the text names it.
    """
    prompts: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            prompts.append(_prompt(line))
        except (json.JSONDecodeError, KeyError, TypeError):
            raise ValueError(f'line {number} is no JSON object with "prompt"') from None
    return checked(prompts)


def checked(prompts: Sequence[str]) -> tuple[str, ...]:
    """These prompts. Raises ValueError when one is empty or longer than a message can be."""
    for prompt in prompts:
        if not isinstance(prompt, str) or not prompt.strip():
            raise ValueError("a canary prompt is empty")
        if len(prompt) > LONGEST:
            raise ValueError(f"a canary prompt has {len(prompt)} characters, and a message takes {LONGEST}")
    return tuple(prompts)


def _prompt(line: str) -> str:
    if not line.startswith("{"):
        return line.strip()
    prompt: str = json.loads(line)["prompt"]
    return prompt
